import { routes } from './api/app.ts';
import { worker } from './worker.ts';

export const server = { routes, worker };
