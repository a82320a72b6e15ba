import type { AuditStore } from './audit.ts';
import type { Databases } from './database.ts';
import { createSystemTenantsStore } from './system/tenants.ts';

export type { TenantRow } from './system/tenants.ts';

/** Tenants are above tenants: all of it runs with the system role. */
export function createTenantsStore({ databases, audit }: { readonly databases: Databases; readonly audit: AuditStore }) {
  return createSystemTenantsStore(databases.system, audit);
}
