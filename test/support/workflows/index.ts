export * from './nap.ts';
