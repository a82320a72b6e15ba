export const next = function (count: number): number {
  return count + 1;
};
