import { CORE_SCOPES, coversScope } from '../../contracts/api-keys.ts';
import { CHECKOUT_SCOPES } from '../../contracts/checkout/scopes.ts';
import type { Kinds } from '../../contracts/kinds.ts';
import { HttpProblem } from './problems.ts';
import type { Caller } from './route.ts';

/** All that a key can be given. */
export function keyScopes(kinds: Kinds): readonly string[] {
  const known = [...CORE_SCOPES, ...Object.values(CHECKOUT_SCOPES), ...kindScopes(kinds)];
  return [...new Set(['*', ...known, ...areasOf(known)])];
}

/** What a token can be given: work, its subject's own. Nothing else has owners. */
export function tokenScopes(kinds: Kinds): readonly string[] {
  const known = ['operations:read', 'operations:write', ...Object.values(CHECKOUT_SCOPES), ...kindScopes(kinds)];
  return [...new Set([...known, ...areasOf(known)])];
}

interface Grant {
  readonly scopes: readonly string[];
  readonly allowed: readonly string[];
}

/** @throws {HttpProblem} for scopes that mean nothing here, and for more than the caller has */
export function checkScopes(caller: Caller, { scopes, allowed }: Grant): void {
  const errors = scopes.flatMap((scope, index) =>
    allowed.includes(scope) ? [] : [{ pointer: `/scopes/${index}`, message: `must be one of ${allowed.join(', ')}` }],
  );
  if (errors[0] !== undefined) throw new HttpProblem('invalid_request', `${errors[0].pointer} ${errors[0].message}.`, { errors });
  const beyond = scopes.filter((scope) => !coversScope(caller.scopes, scope));
  if (beyond.length > 0) throw new HttpProblem('insufficient_scope', `A key can not give what it does not have: ${beyond.join(', ')}.`);
}

function kindScopes(kinds: Kinds): readonly string[] {
  return Object.values(kinds).flatMap((kind) => [kind.scopes.start, kind.scopes.read]);
}

function areasOf(scopes: readonly string[]): readonly string[] {
  return scopes.filter((scope) => scope.includes(':')).map((scope) => `${scope.slice(0, scope.indexOf(':'))}:*`);
}
