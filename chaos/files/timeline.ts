import * as z from 'zod';
import type { Product } from '../lib/product.ts';

const Timeline = z.object({ data: z.array(z.object({ activity: z.string(), activityId: z.string(), runId: z.string() })) });

/** One try at a step of an operation, as the API tells of it. */
export type Try = z.infer<typeof Timeline>['data'][number];

/** Every try at every step of an operation. */
export async function triesOf(product: Product, operationId: string): Promise<readonly Try[]> {
  return Timeline.parse((await product.call('GET', `/v1/operations/${operationId}/timeline`)).body).data;
}

/** How many of them were not the first at their step. */
export function redoneIn(tries: readonly Try[]): number {
  return tries.length - new Set(tries.map(({ runId, activity, activityId }) => `${runId}/${activity}/${activityId}`)).size;
}
