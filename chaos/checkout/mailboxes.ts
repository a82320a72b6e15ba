import { headersOf } from '../email/journal.ts';

/** What a buyer can follow in a reminder. */
export interface Reminder {
  /** Leads back to the cart. */
  readonly recoveryUrl: URL;
  /** Where a mail program posts to when its user wants no more of these. */
  readonly unsubscribeUrl: string;
}

/** What buyers find when they look into their mail. Only the first reminder of each is kept. */
export class Mailboxes {
  readonly #reminders = new Map<string, string>();

  /** A mail as it came over SMTP. */
  take(recipient: string, source: string): void {
    if (isReminder(headersOf(source)['subject']) && !this.#reminders.has(recipient)) this.#reminders.set(recipient, source);
  }

  /** Undefined as long as none has come. Throws when there is nothing in it to follow. */
  reminderOf(recipient: string): Reminder | undefined {
    const source = this.#reminders.get(recipient);
    if (source === undefined) return undefined;
    const { 'list-unsubscribe': listUnsubscribe = '', 'list-unsubscribe-post': oneClick } = headersOf(source);
    const unsubscribeUrl = /<(https?:[^>]+)>/.exec(listUnsubscribe)?.[1];
    const recovery = /https?:[^\s"<>]+[?&]cart=[^\s"<>&]+/.exec(fromQuotedPrintable(source))?.[0];
    if (unsubscribeUrl === undefined || oneClick !== 'List-Unsubscribe=One-Click' || recovery === undefined)
      throw new Error(`the reminder of ${recipient} has no ${recovery === undefined ? 'link to the cart' : 'one-click unsubscription'}`);
    return { recoveryUrl: new URL(recovery), unsubscribeUrl };
  }
}

export function isReminder(subject: string | undefined): boolean {
  return subject?.startsWith('Your cart at') === true;
}

/** Enough for links, which are ASCII. */
function fromQuotedPrintable(text: string): string {
  return text.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
