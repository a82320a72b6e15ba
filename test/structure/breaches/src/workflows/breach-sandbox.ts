export const breaches = [
  () => process.pid,
  () => Buffer.alloc(1),
  () => Intl.DateTimeFormat(),
  () => setTimeout(() => undefined, 1),
  () => fetch('http://localhost'),
  () => crypto.randomUUID(),
  () => Math.random(),
  () => 'a'.localeCompare('b'),
  () => new Date().toLocaleString(),
  () => new Date().getHours(),
];
