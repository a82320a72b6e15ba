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
    yield* orDamaged(unpacker, inspection);
  } finally {
    unpacker.destroy();
    await feeding;
  }
}

/** Content that is unpacked while it is read; when that fails, it is damaged. */
export async function* orDamaged(content: AsyncIterable<Uint8Array>, inspection: Inspection): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of content) yield chunk;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    inspection.refuse('archive_damaged', 'can not be unpacked');
  }
}
