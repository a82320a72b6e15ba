import { a } from './breach-cycle-a.ts';

export const b = (): unknown => a;
