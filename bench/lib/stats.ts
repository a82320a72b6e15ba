/** A figure and how far it moves: the least and the greatest of its parts. */
export interface Spread {
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

/** By nearest rank; `share` from 0 to 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The median of some figures, one per round. */
export function spreadOf(values: readonly number[]): Spread {
  return { value: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Median over median of two series that were measured in turns; the spread is that of five parts in their order. */
export function ratioOf(product: readonly number[], baseline: readonly number[]): Spread {
  const parts = 5;
  const size = Math.ceil(product.length / parts);
  const ratios = Array.from({ length: parts }, (_, part) => {
    const slice = (values: readonly number[]): number => median(values.slice(part * size, (part + 1) * size));
    return slice(product) / slice(baseline);
  }).filter(Number.isFinite);
  return { value: median(product) / median(baseline), min: Math.min(...ratios), max: Math.max(...ratios) };
}
