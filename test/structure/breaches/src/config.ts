import { z } from 'zod';

export const config = z.object({ port: z.coerce.number() }).parse({ port: process.env['PORT'] });
export type Config = typeof config;
