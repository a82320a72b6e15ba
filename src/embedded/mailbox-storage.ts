import { existsSync, readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileStorage } from '@maildev/core';
import type { Email, Envelope } from '@maildev/core';

/**
 * Keeps a mail exactly when it was acknowledged. MailDev writes the message before it answers, but not its envelope, so
 * that after a restart it lists half-received messages, and takes the recipients from the headers: a look-up for one
 * recipient would then find what was sent to another. Here the envelope is written last and before the answer, and a
 * message without one does not count.
 */
export class MailboxStorage extends FileStorage {
  #isRestoring = false;

  /** Runs MailDev's restore; what was never acknowledged is dropped. */
  async restore(load: () => Promise<void>): Promise<void> {
    this.#isRestoring = true;
    await load();
    this.#isRestoring = false;
  }

  override async save(email: Email): Promise<void> {
    const file = this.#envelopeFile(email.id);
    if (this.#isRestoring) {
      if (!existsSync(file)) return;
      const envelope = JSON.parse(readFileSync(file, 'utf8')) as Envelope; // written below
      await super.save({ ...email, envelope });
      return;
    }
    if ((await this.getById(email.id)) === undefined) {
      await writeFile(`${file}.new`, JSON.stringify(email.envelope));
      await rename(`${file}.new`, file);
    }
    await super.save(email);
  }

  override async delete(id: string): Promise<boolean> {
    await rm(this.#envelopeFile(id), { force: true });
    return super.delete(id);
  }

  #envelopeFile(id: string): string {
    return join(this.mailDirectory, `${id}.envelope.json`);
  }
}
