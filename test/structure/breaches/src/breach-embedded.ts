import { startPostgres } from './embedded/postgres.ts';

export const breach = startPostgres;
