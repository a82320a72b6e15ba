/** A disk of ours failed the work, which may pass. Its message is for the user. */
export class DiskError extends Error {
  override readonly name = 'DiskError';

  constructor(fault: 'full' | 'broken', options?: ErrorOptions) {
    super(fault === 'full' ? 'A disk of the server is full.' : 'A disk of the server can not be read or written.', options);
  }
}
