import { emailRoutes } from './email.ts';

export const routes = [emailRoutes];
