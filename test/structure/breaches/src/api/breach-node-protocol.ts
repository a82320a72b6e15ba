import { readFile } from 'fs/promises';

export const breach = readFile;
