import type { OperationFilter, OperationRow } from '../../store/operations.ts';
import type { Caller } from './route.ts';

type Seen = Pick<OperationRow, 'id' | 'root_id' | 'kind' | 'owner_subject'>;

/** Whether a row of the caller's tenant is there for this caller: for a token only what is its subject's, and among its resources. */
export function sees(caller: Caller, row: Seen): boolean {
  if (caller.kind !== 'token') return true;
  if (caller.subject === undefined || row.owner_subject !== caller.subject) return false;
  const names = [`operation/${row.id}`, `operation/${row.root_id}`, `${row.kind}/${row.root_id}`];
  return caller.resources === undefined || names.some((name) => caller.resources?.includes(name));
}

/** The same for lists. */
export function sightOf(caller: Caller): Pick<OperationFilter, 'ownerSubject' | 'resources'> {
  // No row has an empty owner, so a token without a subject would see nothing.
  return caller.kind === 'token' ? { ownerSubject: caller.subject ?? '', resources: caller.resources } : {};
}
