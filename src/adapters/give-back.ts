/**
 * Gives the memory of a piece of bytes back at once, where the piece has it for itself; nobody may use them afterwards. Left to the runtime, it
 * looks through its whole heap whenever 64 MB of pieces have come together, which costs a large process more than the work on them.
 */
export function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength > 0 && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** The pieces of a stream, each of which is gone when the next is asked for. */
export async function* oneAtATime<Piece extends Uint8Array>(stream: AsyncIterable<Piece>): AsyncGenerator<Piece> {
  for await (const piece of stream) {
    yield piece;
    giveBack(piece);
  }
}
