// Two halves of a change that were not put together read as text, so no other check sees them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const MARKS = '^(<{7}|>{7}) ';

test('no file holds the marks of a merge', async () => {
  assert.equal(await found(MARKS), '');
  assert.match(await found('^const MARKS = '), /merge-marks/);
});

/** Lines of all files that git would not ignore, in a clone or not; git ends with 1 where there are none. */
function found(pattern: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('git', ['grep', '--no-index', '--exclude-standard', '-nE', pattern], { cwd: ROOT }, (error, output) => {
      if (error === null || error.code === 1) resolve(output);
      else reject(error);
    });
  });
}
