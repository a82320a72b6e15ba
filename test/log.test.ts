import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');

/** The one line that a process writes for these fields. */
function lineOf(fields: object): string {
  const code = `import { createLog } from './src/log.ts'; createLog('info', 'test').info(${JSON.stringify(fields)}, 'said');`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: ROOT, encoding: 'utf8' });
  assert.notEqual(stdout, '', stderr);
  return stdout;
}

test('a log line is JSON, and hides what could be secret or personal down to the third level', () => {
  const planted = { email: 'planted-1', request: { authorization: 'planted-2', tenantId: 'acme' }, mail: { sent: { to: ['planted-3'] } } };
  const line = lineOf({ operationId: 'o_1', ...planted });
  assert.doesNotMatch(line, /planted/);
  const { level, msg, operationId, email, request } = JSON.parse(line);
  assert.deepEqual([level, msg, operationId, email], ['info', 'said', 'o_1', '[redacted]']);
  assert.deepEqual(request, { authorization: '[redacted]', tenantId: 'acme' });
});
