import type * as z from 'zod';
import { refuseCardNumbers } from './card-numbers.ts';
import { OrderInput, OrderResult, OrderCapture, RefundInput, RefundResult } from './checkout/orders.ts';
import * as email from './email.ts';
import * as processing from './files/processing.ts';
import * as transform from './files/transform.ts';
import { endingOfEmail } from './email-recipients.ts';
import type { Feature } from './features.ts';
import { ORDER_SIGNALS } from './pure/checkout.ts';
import { Reason } from './operation.ts';
import type { Outcome } from './pure/operations.ts';
import type { TaskQueue } from './pure/task-queues.ts';

/** One effect that an input asks for: its step within the operation, and a hash of what would be done. */
export interface PlannedEffect {
  readonly step: string;
  readonly digest: string;
  /** Whom it reaches. Looked up among the suppressed when it is claimed and again when it begins. */
  readonly reaches?: Reach;
}

export interface Reach {
  /** In small letters. */
  readonly address: string;
  /** Whether it is bulk, which people can refuse alone. */
  readonly bulk: boolean;
}

export type EffectState = 'claimed' | 'sending' | 'done' | 'refused' | 'unknown';

/** How one effect stands; `claimed`: it is still to be made. */
export interface EffectStanding {
  readonly step: string;
  readonly state: EffectState;
  readonly response: Readonly<Record<string, unknown>> | null;
  /** How often it was made again without knowing of the time before. */
  readonly repeats: number;
}

/** A kind of operation: everything that routes, dispatcher, OpenAPI and tests need to know of it. */
export interface Kind {
  readonly name: string;
  readonly feature: Feature | 'core';
  readonly title: string;
  /** Input fields. Routes add the common start fields and `check`. */
  readonly content: z.ZodObject;
  readonly check?: (input: never, context: z.core.$RefinementCtx) => void;
  readonly result: z.ZodObject;
  /** Name of the exported workflow function. */
  readonly workflow: string;
  /** Queue of its main activity; workflows themselves run on `core`. */
  readonly queue: TaskQueue;
  /** What progress counts. */
  readonly unit: string;
  readonly scopes: { readonly start: string; readonly read: string };
  readonly example: Readonly<Record<string, unknown>>;
  /** Path of the resource that it makes, or that it is about. */
  readonly resource?: (rootId: string, input: never) => string;
  /** Signals beside `pause` and `resume`, by name, with the schema of what they carry. */
  readonly signals: Readonly<Record<string, z.ZodObject>>;
  /** The effects an input asks for; an edited retry that meets a done one with another digest is refused. */
  readonly effects?: (input: never, rootId: string) => readonly PlannedEffect[];
  /** Not for end users' tokens: what these may do of it has routes of its own. */
  readonly isStaffOnly?: true;
  /** Money moves: who starts it must name the request by an `Idempotency-Key`, so that no repetition of it is taken for a second one. */
  readonly movesMoney?: true;
  /** Ended work is begun anew under its natural key, with other terms, rather than retried. */
  readonly isBegunAnew?: true;
  /** A retry is of the first input: what was put aside for the work when it was accepted is on those terms. */
  readonly keepsInput?: true;
  /**
   * How an operation ends that was cancelled, by how its effects stand; none of them changes any more. Without it: `cancelled`, with the
   * result that the workflow gives, if any. When all was done before, it did not end as cancelled.
   */
  readonly endingOf?: (input: never, rootId: string, effects: readonly EffectStanding[]) => Outcome;
  /** The world's own key for the work; a second request with the same key is answered with the first operation. */
  readonly naturalKey?: (input: never) => string;
}

/** Every kind by name. A new kind is one entry here. */
export const KINDS = {
  email: {
    name: 'email',
    feature: 'email',
    title: 'One e-mail to one or several recipients',
    content: email.EmailInput,
    check: email.checkEmail,
    result: email.EmailResult,
    workflow: 'email',
    queue: 'mail',
    unit: 'recipients',
    scopes: { start: 'email:write', read: 'email:read' },
    example: { to: 'ada@example.com', subject: 'Hello', text: 'It works.' },
    resource: (rootId) => `/v1/emails/${rootId}`,
    signals: { retryNow: email.RetryNow },
    effects: email.emailEffects,
    endingOf: endingOfEmail,
  },
  order: {
    name: 'order',
    feature: 'checkout',
    title: 'An order from its payment to its receipt',
    content: OrderInput,
    check: refuseCardNumbers,
    result: OrderResult,
    workflow: 'order',
    queue: 'payments',
    unit: 'orders',
    scopes: { start: 'orders:write', read: 'orders:read' },
    isStaffOnly: true,
    movesMoney: true,
    isBegunAnew: true,
    example: { cartId: '019ab6a0-7c00-7000-8000-000000000003', quoteHash: 'kX9sV2m0aQ7tB4cE1fG6hw', paymentMethod: 'pm_card_visa' },
    resource: (rootId) => `/v1/orders/${rootId}`,
    signals: {
      [ORDER_SIGNALS.approve]: Reason,
      [ORDER_SIGNALS.voidPayment]: Reason,
      [ORDER_SIGNALS.capture]: OrderCapture,
      [ORDER_SIGNALS.reconcile]: Reason,
    },
    naturalKey: ({ cartId }: OrderInput) => cartId,
  },
  refund: {
    name: 'refund',
    feature: 'checkout',
    title: 'Money given back to a buyer',
    content: RefundInput,
    check: refuseCardNumbers,
    result: RefundResult,
    workflow: 'refund',
    queue: 'payments',
    unit: 'refunds',
    scopes: { start: 'orders:write', read: 'orders:read' },
    isStaffOnly: true,
    movesMoney: true,
    keepsInput: true,
    example: { orderId: '019ab6a0-7c00-7000-8000-000000000001', amount: 500, reason: 'requested_by_customer' },
    signals: {},
  },
  fileProcessing: {
    name: 'fileProcessing',
    feature: 'files',
    title: 'Check of an uploaded file',
    content: processing.FileProcessingInput,
    result: processing.FileProcessingResult,
    workflow: 'fileProcessing',
    queue: 'files',
    unit: 'bytes',
    scopes: { start: 'files:write', read: 'files:read' },
    example: { fileId: '019ab6a0-7c00-7000-8000-000000000001' },
    resource: (_rootId, input: processing.FileProcessingInput) => `/v1/files/${input.fileId}`,
    signals: {},
  },
  fileTransform: {
    name: 'fileTransform',
    feature: 'files',
    title: 'Another table made of a table',
    content: transform.FileTransformInput,
    check: transform.checkTransform,
    result: transform.FileTransformResult,
    workflow: 'fileTransform',
    queue: 'files',
    unit: 'bytes',
    scopes: { start: 'files:write', read: 'files:read' },
    example: { fileId: '019ab6a0-7c00-7000-8000-000000000001', to: { format: 'parquet' } },
    resource: (_rootId, input: transform.FileTransformInput) => `/v1/files/${input.fileId}`,
    signals: {},
  },
} as const satisfies Readonly<Record<string, Kind>>;

/** What routes and dispatcher are given: the product's kinds, and in tests one more. */
export type Kinds = Readonly<Record<string, Kind>>;
