import { effect } from '../lib/effect.ts';

export function page(): string {
  effect();
  return '';
}
