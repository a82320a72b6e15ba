import type { createDispatcher } from '../control/dispatcher.ts';

export type Breach = createDispatcher;
