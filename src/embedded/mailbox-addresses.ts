/** Recipients at these domains (reserved by RFC 2606, so nobody has them) are answered like troublesome ones of the real world. */
const ANSWERS: Readonly<Record<string, { readonly code: number; readonly text: string }>> = {
  'later.example': { code: 451, text: 'This test address is put off each time' },
  'refused.example': { code: 550, text: 'This test address is refused each time' },
};

/** The mailbox's answer to RCPT TO for a test address; undefined for all others, which it takes. */
export function answerToTestAddress(address: string): (Error & { readonly responseCode: number }) | undefined {
  const answer = ANSWERS[address.slice(address.lastIndexOf('@') + 1).toLowerCase()];
  return answer === undefined ? undefined : Object.assign(new Error(answer.text), { responseCode: answer.code });
}
