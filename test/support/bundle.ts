import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleWorkflowCode, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

const ROOT = join(import.meta.dirname, '../..');

/** The product's workflows and those that only tests start. */
export const TEST_WORKFLOWS = 'test/support/workflows/index.ts';
export const PRODUCT_WORKFLOWS = 'src/workflows/index.ts';

/** Bundles `entry` (a path in the repository, or in a copy of it at `root`) with the product's interceptors. */
export async function bundleWorkflows(entry: string, root: string = ROOT): Promise<WorkflowBundleWithSourceMap> {
  const interceptors = join(root, 'src/workflows/lib/interceptors.ts');
  return await bundleWorkflowCode({
    workflowsPath: join(root, entry),
    workflowInterceptorModules: existsSync(interceptors) ? [interceptors] : [],
    logger: { ...console, log: () => undefined, trace: () => undefined, debug: () => undefined, info: () => undefined },
  });
}

/** Writes the bundle that all test files share to `path`. */
export async function buildTestBundle(path: string): Promise<string> {
  const entry = existsSync(join(ROOT, TEST_WORKFLOWS)) ? TEST_WORKFLOWS : PRODUCT_WORKFLOWS;
  const { code } = await bundleWorkflows(entry);
  await writeFile(path, code);
  return path;
}
