/** The same mail for all that are compared. */
export function mailOf(ordinal: number) {
  return { to: `m${ordinal}@example.com`, subject: `Mail ${ordinal}`, text: 'A text of some lines, as mails have.\n'.repeat(10) };
}
