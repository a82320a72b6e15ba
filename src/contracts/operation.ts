import * as z from 'zod';
import { withoutCardNumbers } from './card-numbers.ts';
import { NotifyTargets } from './notify.ts';
import { Subject } from './subject.ts';
import { OPEN_STATUSES, TERMINAL_STATUSES } from './pure/operations.ts';

/** An instant in ISO 8601, always shown in UTC. */
export const Instant = z.iso.datetime({ offset: true }).meta({ example: '2026-11-24T22:00:00.000Z' });

/** Fields that every request which starts work may carry. */
export const StartFields = {
  startAt: Instant.optional().meta({ description: 'Not before this instant. The operation waits as `scheduled`.' }),
  expiresAt: Instant.optional().meta({ description: 'Too late after this instant: the operation ends as `expired` and nothing is done.' }),
  priority: z.int().min(1).max(5).optional().meta({ description: '1 is most urgent, 5 least. Default 3.', example: 3 }),
  tags: z
    .array(z.string().min(1).max(64))
    .max(10)
    .optional()
    .meta({ description: 'Your own labels; lists filter by them.', example: ['welcome'] }),
  metadata: z
    .record(z.string().min(1).max(64), z.union([z.string().max(500), z.number(), z.boolean()]))
    .refine((value) => Object.keys(value).length <= 20, 'at most 20 entries')
    .optional()
    .meta({ description: 'Your own values, given back as they are.', example: { customer: 'c_42' } }),
  notify: NotifyTargets.optional().meta({
    description:
      'Each gets one mail when the operation has ended, however it did. It says what ended and how, and nothing of the input. ' +
      'A token may name its own subject; anybody else only with the scope `email:write`.',
    example: [{ email: 'ops@example.com' }],
  }),
  ownerSubject: Subject.optional().meta({
    description: 'The end user whose work this is, whose tokens may see it. For keys only: work that a token starts is its subject’s own.',
  }),
} as const;

export const OperationStatusSchema = z.enum([...OPEN_STATUSES, ...TERMINAL_STATUSES]).meta({
  id: 'OperationStatus',
  description: 'Terminal are `succeeded`, `failed`, `cancelled`, `expired` and `unknown`.',
});

const OperationError = z.object({
  code: z.string().meta({ example: 'rejected' }),
  message: z.string(),
  retryable: z.boolean(),
});

const Progress = z.object({
  done: z.number(),
  total: z.number().optional(),
  unit: z.string(),
  percent: z.number().optional(),
  secondsLeft: z.number().optional(),
});

/** A piece of work that was accepted, as every route shows it. */
export const Operation = z
  .object({
    id: z.uuid(),
    object: z.literal('operation'),
    kind: z.string().meta({ example: 'email' }),
    status: OperationStatusSchema,
    phase: z.string().meta({ description: 'Where the work is, in words of its kind.' }),
    progress: Progress.optional(),
    message: z.string().optional(),
    tags: z.array(z.string()),
    metadata: z.record(z.string(), z.unknown()),
    ownerSubject: z.string().optional().meta({ description: 'The end user whose it is.', example: 'u_42' }),
    createdAt: Instant,
    startAt: Instant.optional(),
    expiresAt: Instant.optional(),
    startedAt: Instant.optional(),
    finishedAt: Instant.optional(),
    result: z.record(z.string(), z.unknown()).optional(),
    error: OperationError.optional(),
    stuck: z
      .object({ reason: z.string(), since: Instant })
      .optional()
      .meta({ description: 'The workflow cannot go on by itself; someone must look.' }),
    paused: z.boolean().optional(),
    cancelRejected: z.literal('too_late').optional().meta({ description: 'A cancel came after the effect.' }),
    retryOf: z.uuid().optional(),
    rootId: z.uuid().meta({ description: 'The first attempt; the resource that was made has this id.' }),
    attempt: z.int(),
    links: z.object({ self: z.string(), stream: z.string(), resource: z.string().optional(), temporal: z.string().optional() }),
  })
  .meta({ id: 'Operation', description: 'A piece of work that was accepted.' });
export type Operation = z.infer<typeof Operation>;

/** One step of an operation as its activities went: failed attempts stay visible. */
export const TimelineEntry = z
  .object({
    id: z.uuid(),
    object: z.literal('timelineEntry'),
    activity: z.string(),
    activityId: z.string(),
    runId: z.string(),
    attempt: z.int(),
    startedAt: Instant,
    finishedAt: Instant.optional(),
    outcome: z
      .enum(['succeeded', 'failed', 'cancelled'])
      .optional()
      .meta({ description: 'Absent while it runs, or when its process died.' }),
    error: z.object({ type: z.string(), message: z.string() }).optional(),
  })
  .meta({ id: 'TimelineEntry' });

/** Body of the verbs that a person or program asks of an operation. */
export const Reason = z.strictObject({ reason: withoutCardNumbers(z.string().max(500)).optional() }).meta({ id: 'Reason' });
