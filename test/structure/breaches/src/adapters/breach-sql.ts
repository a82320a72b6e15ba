import { Kysely } from 'kysely';

export const breach = Kysely;
