import { config } from '../config.ts';

export const breach = config;
