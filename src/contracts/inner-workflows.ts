/** Workflows that nobody requests or lists, by name, and what Web UI calls them. */
export const INNER_WORKFLOWS = {
  cart: 'The time of a cart: holds, reminders, its end',
  fileRemoval: 'Removal of a deleted file',
  refundRequest: 'A refund asked for with the temporal CLI',
  upload: 'Time of an upload',
  warmUp: 'Warm-up of a worker',
} as const satisfies Readonly<Record<string, string>>;

/** What an inner workflow is started with: ids only. */
export interface InnerRef {
  readonly tenantId: string;
  /** Its name. */
  readonly kind: string;
}
