import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Inspection, Refusal } from './inspection.ts';

/** Unpacks a stream piece by piece; what can't be unpacked is damaged. Whoever stops reading stops the unpacking. */
export async function* unpacked(
  packed: AsyncIterable<Uint8Array>,
  unpacker: Transform,
  inspection: Inspection,
): AsyncGenerator<Uint8Array> {
  const feeding = pipeline(Readable.from(packed), unpacker).catch(() => undefined);
  try {
    for await (const chunk of unpacker) yield chunk as Uint8Array;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    inspection.refuse('archive_damaged', 'can not be unpacked');
  } finally {
    unpacker.destroy();
    await feeding;
  }
}
