import type { FileHandle } from 'node:fs/promises';

/** Writes all of it at this place of the file; without one, where the last write ended. */
export async function writeAll(file: FileHandle, chunk: Uint8Array, position: number | null = null): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength;) {
    const { bytesWritten } = await file.write(chunk, offset, chunk.byteLength - offset, position === null ? null : position + offset);
    offset += bytesWritten;
  }
}

/** Writes all of them from this place of the file on, by one call of the system. */
export async function writeTogether(file: FileHandle, chunks: readonly Uint8Array[], position: number): Promise<void> {
  const { bytesWritten } = await file.writev([...chunks], position);
  let passed = 0;
  for (const chunk of chunks) {
    // It may write less than it was given, on a full disk for one.
    const done = Math.min(chunk.byteLength, Math.max(0, bytesWritten - passed));
    if (done < chunk.byteLength) await writeAll(file, chunk.subarray(done), position + passed + done);
    passed += chunk.byteLength;
  }
}
