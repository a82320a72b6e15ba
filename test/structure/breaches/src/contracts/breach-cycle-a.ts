import { b } from './breach-cycle-b.ts';

export const a = (): unknown => b;
