// A planted mistake that no longer fits the code is found here, rather than by the next run of plants.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const plants = globSync('chaos/plants/*.patch', { cwd: ROOT }).toSorted();

test('there are plants', () => assert.ok(plants.length > 0));

for (const plant of plants) {
  test(`${plant} can be planted`, () => {
    assert.doesNotThrow(() => execFileSync('git', ['apply', '--check', '--whitespace=nowarn', plant], { cwd: ROOT, stdio: 'pipe' }));
  });
}
