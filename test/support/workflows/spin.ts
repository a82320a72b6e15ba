/** Never stops computing, from its second step on, which runs among microtasks as most of a workflow does. */
export async function spin(): Promise<void> {
  await Promise.resolve();
  for (;;);
}
