import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Spread } from './stats.ts';

const FOLDER = join(import.meta.dirname, '../results');

/** One figure of a bench. */
export interface Figure extends Spread {
  readonly name: string;
  /** Such as ms or ÷ (a ratio to the baseline of the same run). */
  readonly unit: string;
  /** What it must not pass. */
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Prints the figures and writes them with the machine's load. Answers whether all keep their bars. */
export function report(bench: string, figures: readonly Figure[], settings: object): boolean {
  for (const figure of figures) console.log(lineOf(figure));
  mkdirSync(FOLDER, { recursive: true });
  const at = new Date().toISOString();
  const file = join(FOLDER, `${bench}-${at.slice(0, 19).replaceAll(/\W/g, '')}.json`);
  const machine = { cores: cpus().length, model: cpus()[0]?.model, memoryBytes: totalmem(), load: loadavg(), node: process.version };
  writeFileSync(file, `${JSON.stringify({ bench, at, machine, settings, figures }, undefined, 2)}\n`);
  console.log(
    `load ${machine.load.map((load) => load.toFixed(1)).join(' ')} on ${machine.cores} cores; bench/results/${file.slice(FOLDER.length + 1)}`,
  );
  return figures.every(keepsBar);
}

function keepsBar({ value, atMost = Infinity, atLeast = -Infinity }: Figure): boolean {
  return value <= atMost && value >= atLeast;
}

function lineOf(figure: Figure): string {
  const { name, unit, value, min, max, atMost, atLeast } = figure;
  const bar = atMost !== undefined ? ` (bar ≤ ${atMost})` : atLeast !== undefined ? ` (bar ≥ ${atLeast})` : '';
  const mark = atMost === undefined && atLeast === undefined ? ' ' : keepsBar(figure) ? '✓' : '✗';
  const spread = min === max ? '' : `  [${round(min)} … ${round(max)}]`;
  return `${mark} ${name.padEnd(58)} ${round(value).padStart(9)} ${unit}${bar}${spread}`;
}

function round(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 3);
}
