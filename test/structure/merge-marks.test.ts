// Two halves of a change that were not put together read as text, so no other check sees them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const MARKS = '^(<{7}|>{7}) ';

test('no file holds the marks of a merge', { skip: !existsSync(join(ROOT, '.git')) && 'not a clone of the repository' }, async () => {
  assert.equal(await found(MARKS), '');
  assert.match(await found('^const MARKS = '), /merge-marks/);
});

/** Lines of all files of the repository; git ends with 1 where there are none. */
function found(pattern: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('git', ['grep', '--untracked', '-nE', pattern], { cwd: ROOT }, (error, output) => {
      if (error === null || error.code === 1) resolve(output);
      else reject(error);
    });
  });
}
