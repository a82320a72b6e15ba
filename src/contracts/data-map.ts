/** What a table holds, how long it is kept, and what becomes of it when a person's or a tenant's data is erased. */
export interface TableNote {
  /** Whether its rows can hold personal data. */
  readonly personal: boolean;
  readonly keeps: string;
  readonly onErasure: string;
}

/** Every table of the database. One that is missing here fails a test. */
export const DATA_MAP: Readonly<Record<string, TableNote>> = {
  tenant: { personal: false, keeps: 'for ever; deleted tenants stay as ids', onErasure: 'name is emptied' },
  api_key: { personal: false, keeps: 'revoked keys for ever, for the audit', onErasure: 'token subjects are emptied' },
  app_user: { personal: true, keeps: 'until the host application deletes it', onErasure: 'row is deleted' },
  operation: { personal: true, keeps: 'for ever', onErasure: 'input, metadata, message, notify and the columns in its result are emptied' },
  dispatch: { personal: false, keeps: 'as long as its operation', onErasure: 'nothing: ids only' },
  effect: { personal: false, keeps: 'as long as its operation', onErasure: 'nothing: hashes and codes only' },
  stream: { personal: false, keeps: 'as long as its operation', onErasure: 'nothing' },
  stream_event: { personal: false, keeps: 'as long as its operation', onErasure: 'nothing: phases and counts only' },
  timeline: { personal: false, keeps: 'as long as its operation', onErasure: 'nothing: names of steps and failure types only' },
  event: { personal: false, keeps: 'for ever', onErasure: 'nothing: ids and kinds only' },
  event_position: { personal: false, keeps: 'one row', onErasure: 'nothing' },
  subject_key: {
    personal: true,
    keeps: 'until the subject is erased',
    onErasure: 'row is deleted, which takes the meaning out of its audit rows',
  },
  audit_entry: { personal: false, keeps: 'for ever', onErasure: 'nothing: values are hashes under the subject key' },
  idempotency: { personal: false, keeps: '30 days, and as long as the operation that it names', onErasure: 'nothing' },
  suppression: { personal: true, keeps: 'until it expires or is removed', onErasure: 'kept, so that the person still gets no mail' },
  email_attachment: {
    personal: true,
    keeps: 'as long as the mails that name it; one of a request that was refused after all, as long as the tenant',
    onErasure: 'row is deleted with the last of these mails',
  },
  email_route: { personal: false, keeps: 'one row for each mail server', onErasure: 'nothing' },
  email_secret: { personal: false, keeps: 'as long as the tenant', onErasure: 'nothing' },
  product: { personal: false, keeps: 'until the shop removes it', onErasure: 'nothing' },
  shipping_rate: { personal: false, keeps: 'as long as the tenant', onErasure: 'nothing' },
  cart: { personal: true, keeps: 'for ever', onErasure: 'address, name and owner are emptied' },
  cart_line: { personal: false, keeps: 'as long as its cart', onErasure: 'nothing' },
  cart_mail: { personal: false, keeps: 'as long as its cart', onErasure: 'nothing: ids only' },
  stock_hold: { personal: false, keeps: 'until it expires, is released or is sold', onErasure: 'nothing' },
  stock_movement: { personal: false, keeps: 'for ever', onErasure: 'nothing: quantities only' },
  checkout_order: { personal: true, keeps: 'for ever: accounts are built on it', onErasure: 'address, name and owner are emptied' },
  payment_refund: { personal: false, keeps: 'as long as its order', onErasure: 'nothing: amounts and ids only' },
  stray_payment: { personal: false, keeps: 'for ever', onErasure: 'nothing: amounts and ids only' },
  stripe_inbox: { personal: false, keeps: '90 days', onErasure: 'nothing: ids and types only' },
  job_turn: { personal: false, keeps: 'one row per job', onErasure: 'nothing' },
  ledger_transaction: { personal: false, keeps: 'for ever', onErasure: 'nothing: ids only' },
  ledger_entry: { personal: false, keeps: 'for ever', onErasure: 'nothing: amounts only' },
  file: {
    personal: true,
    keeps: 'until it is deleted; then its id stays',
    onErasure: 'our bytes are deleted; name, source, columns and metadata are emptied',
  },
  upload: { personal: true, keeps: 'until its file is deleted', onErasure: 'row is deleted with the file’s bytes' },
  file_usage: { personal: false, keeps: 'as long as the tenant', onErasure: 'nothing' },
  file_transform: { personal: false, keeps: 'until the transform has ended', onErasure: 'nothing: gone by then' },
  file_transform_chunk: { personal: false, keeps: 'until the transform has ended', onErasure: 'nothing: gone by then' },
  file_secret: { personal: false, keeps: 'as long as the tenant', onErasure: 'nothing' },
  rate_count: { personal: true, keeps: 'addresses that asked without a key, for some minutes', onErasure: 'nothing: gone by then' },
  migration: { personal: false, keeps: 'for ever', onErasure: 'nothing' },
};
