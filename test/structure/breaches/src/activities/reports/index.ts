import { effect } from '../lib/effect.ts';
import { page } from './page.ts';

export function createReportActivities() {
  return { renderReport: async () => (effect(), page()) };
}
