import { coversScope } from '../../contracts/api-keys.ts';
import { KINDS } from '../../contracts/kinds.ts';
import type { NotifyTarget } from '../../contracts/notify.ts';
import type { ApiContext } from './context.ts';
import { HttpProblem } from './problems.ts';
import type { TenantCaller } from './route.ts';

const { email } = KINDS;

/**
 * Looks whether everybody can be told of an operation's end, while there is somebody who can mend it.
 * @throws {HttpProblem} naming the target that can't
 */
export async function checkNotify(ctx: ApiContext, auth: TenantCaller, targets: readonly NotifyTarget[]): Promise<void> {
  if (targets.length === 0) return;
  if (!ctx.features.includes(email.feature))
    throw refusal('feature_off', '/notify', 'sends mails, and the feature email is switched off on this server');
  for (const [index, target] of targets.entries()) {
    requireReach(auth, target, `/notify/${index}`);
    if (target.userId !== undefined) await requireAddress(ctx, { tenantId: auth.tenantId, userId: target.userId, index });
  }
}

/** What end users start notifies themselves; whom else they write to is a matter of the right to send mail. */
function requireReach(auth: TenantCaller, { userId }: NotifyTarget, pointer: string): void {
  if (auth.kind !== 'token' || (userId !== undefined && userId === auth.subject)) return;
  if (coversScope(auth.scopes, email.scopes.start)) return;
  throw refusal('insufficient_scope', pointer, `is not the token’s own subject, which needs the scope ${email.scopes.start}`);
}

interface Named {
  readonly tenantId: string;
  readonly userId: string;
  readonly index: number;
}

async function requireAddress(ctx: ApiContext, { tenantId, userId, index }: Named): Promise<void> {
  const pointer = `/notify/${index}/userId`;
  const user = await ctx.store.users.get(tenantId, userId);
  if (user === undefined) throw refusal('invalid_request', pointer, 'is not the id of a user');
  if (user.email === null) throw refusal('invalid_request', pointer, 'is a user without an e-mail address');
}

function refusal(code: 'feature_off' | 'insufficient_scope' | 'invalid_request', pointer: string, message: string): HttpProblem {
  return new HttpProblem(code, `${pointer} ${message}.`, { errors: [{ pointer, message }] });
}
