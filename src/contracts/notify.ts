import * as z from 'zod';
import { Subject } from './subject.ts';

const MAX_TARGETS = 10;

/** Whom a mail tells that an operation has ended. */
export const NotifyTarget = z
  .strictObject({
    email: z.email('must be one e-mail address').max(254).optional().meta({ example: 'ops@example.com' }),
    userId: Subject.optional().meta({
      description: 'One of `/v1/users/{id}`, by the address and in the language that are there at the end.',
    }),
  })
  .refine(({ email, userId }) => (email === undefined) !== (userId === undefined), 'must have `email` or `userId`, and not both')
  .meta({ id: 'NotifyTarget' });
export type NotifyTarget = z.output<typeof NotifyTarget>;

export const NotifyTargets = z.array(NotifyTarget).max(MAX_TARGETS);
