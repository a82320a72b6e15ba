import { emailRoutes } from './email.ts';

export const breach = emailRoutes;
