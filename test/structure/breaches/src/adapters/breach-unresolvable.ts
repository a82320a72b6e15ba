import { lost } from './not-there.ts';

export const breach = lost;
