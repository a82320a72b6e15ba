import { get } from 'node:https';

export function ask(url: string): void {
  get(url);
}
