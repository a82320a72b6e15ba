import type { Router } from '../api/email.ts';

export type Breach = Router;
