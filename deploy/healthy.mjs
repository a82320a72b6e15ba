// Ends with 0 when `http://127.0.0.1:PORT/PATH` answers well. The image has no curl.
const [port, path] = process.argv.slice(2);
const isHealthy = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(4_000) }).then(
  (answer) => answer.ok,
  () => false,
);
process.exitCode = isHealthy ? 0 : 1;
