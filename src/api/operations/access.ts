import { coversScope } from '../../contracts/api-keys.ts';
import type { Kind, Kinds } from '../../contracts/kinds.ts';
import type { OperationRow } from '../../store/operations.ts';
import { requireScope } from '../lib/auth.ts';
import type { ApiContext } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { sees } from '../lib/visibility.ts';
import type { TenantCaller } from '../lib/route.ts';

export type Right = 'read' | 'start';

const CORE_SCOPE = { read: 'operations:read', start: 'operations:write' } as const;

/** The scopes that let a caller do this with operations of one kind at least. */
export function scopesFor(kinds: Kinds, right: Right): readonly string[] {
  return [CORE_SCOPE[right], ...new Set(Object.values(kinds).map((kind) => kind.scopes[right]))];
}

/** @throws {HttpProblem} insufficient_scope; key_required for a token where only the shop’s own people may do this */
export function requireKind(caller: TenantCaller, kind: Kind | undefined, right: Right): void {
  if (right === 'start' && kind?.isStaffOnly === true && caller.kind === 'token') throw new HttpProblem('key_required');
  requireScope(caller, kind === undefined ? [CORE_SCOPE[right]] : [CORE_SCOPE[right], kind.scopes[right]]);
}

/** The kinds a caller may list; undefined for all of them. */
export function readableKinds(caller: TenantCaller, kinds: Kinds): readonly string[] | undefined {
  if (coversScope(caller.scopes, CORE_SCOPE.read)) return undefined;
  return Object.values(kinds)
    .filter((kind) => coversScope(caller.scopes, kind.scopes.read))
    .map((kind) => kind.name);
}

/**
 * The operation, when it is the caller's to see and this may be done with it.
 * @throws {HttpProblem} not_found, also for another tenant's and, for a token, another subject's; insufficient_scope
 */
export async function findOperation(
  ctx: ApiContext,
  request: { readonly auth: TenantCaller; readonly params: { readonly id: string } },
  right: Right,
): Promise<OperationRow> {
  const { auth, params } = request;
  const row = await ctx.store.operations.get(auth.tenantId, params.id);
  if (row === undefined || !sees(auth, row)) throw new HttpProblem('not_found');
  requireKind(auth, ctx.kinds[row.kind], right);
  return row;
}
