import { hash } from 'node:crypto';

export const breach = hash;
