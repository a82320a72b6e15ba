export function next(count: number): number {
  count += 1;
  return count;
}
