/** Does nothing. The process runs it once before it says that it is ready: the first workflow of a worker is slow. */
export async function warmUp(): Promise<void> {
  await Promise.resolve();
}
