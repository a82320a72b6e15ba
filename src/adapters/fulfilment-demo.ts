import { createHash } from 'node:crypto';
import type { Fulfilment } from './fulfilment.ts';

/** Ships nothing: accepts every order, and gives the same one the same reference. For shops that have not put their own here yet. */
export function createDemoFulfilment(): Fulfilment {
  return {
    fulfil({ key }) {
      const reference = `demo-${createHash('sha256').update(key).digest('hex').slice(0, 12)}`;
      return Promise.resolve({ outcome: 'accepted', reference });
    },
  };
}
