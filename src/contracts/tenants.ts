import * as z from 'zod';
import { Instant } from './operation.ts';
import { pageOf } from './routes.ts';

/** No personal data: it is part of workflow ids and of log lines. */
export const TenantId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9, - and _, and start with a letter or digit')
  .meta({ example: 'acme' });

export const TenantParams = z.object({ id: TenantId });

export const TenantContent = z
  .strictObject({ name: z.string().trim().min(1).max(200).meta({ example: 'Acme Ltd' }) })
  .meta({ id: 'TenantContent' });

export const Tenant = z
  .object({ id: z.string(), object: z.literal('tenant'), createdAt: Instant, updatedAt: Instant, name: z.string() })
  .meta({ id: 'Tenant' });
export type Tenant = z.infer<typeof Tenant>;

export const TenantPage = pageOf(Tenant, 'TenantPage');
