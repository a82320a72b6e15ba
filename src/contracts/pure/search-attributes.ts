/** Names of the search attributes that every execution carries; all of Temporal's type Keyword, none of them personal. */
export const SEARCH_ATTRIBUTES = {
  tenant: 'NightshiftTenant',
  kind: 'NightshiftKind',
  phase: 'NightshiftPhase',
  operation: 'NightshiftOperation',
} as const;
