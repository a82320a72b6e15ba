// The product's workflows, and those that only tests start.
export * from '../../../src/workflows/index.ts';
export * from './nap.ts';
export { probe } from './probe.ts';
export { spin } from './spin.ts';
export { tally } from './tally.ts';
