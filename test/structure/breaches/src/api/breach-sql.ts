import type { Pool } from 'pg';

export type Breach = Pool;
