/** All ids that more than one layer must agree on are made here, and only here. None holds personal data. */

export interface WorkflowIdParts {
  readonly kind: string;
  readonly tenantId: string;
  /** The operation's root id, or the natural key where the world has one. */
  readonly key: string;
  /** 1-based; from attempt 2 on it becomes part of the id, since a workflow id is never used twice. */
  readonly attempt: number;
}

/** The natural key of the mail to one of those whom an operation notifies of its end. */
export function noticeKey(operationId: string, index: number): string {
  return `notify:${operationId}:${index}`;
}

export function operationWorkflowId({ kind, tenantId, key, attempt }: WorkflowIdParts): string {
  const base = `${kind}:${tenantId}:${key}`;
  return attempt > 1 ? `${base}:${attempt}` : base;
}

export interface CartWorkflowIdParts {
  readonly tenantId: string;
  readonly cartId: string;
  /** 1-based: the how manieth workflow keeps the cart's time. */
  readonly keeper: number;
}

export function cartWorkflowId({ tenantId, cartId, keeper }: CartWorkflowIdParts): string {
  return operationWorkflowId({ kind: 'cart', tenantId, key: cartId, attempt: keeper });
}

/** Which cart, and which of its workflows, an id names; undefined for an id that is no cart's. */
export function cartOfWorkflowId(workflowId: string): CartWorkflowIdParts | undefined {
  const [kind, tenantId, cartId, keeper = '1'] = workflowId.split(':');
  if (kind !== 'cart' || tenantId === undefined || cartId === undefined) return undefined;
  return { tenantId, cartId, keeper: Number(keeper) };
}
