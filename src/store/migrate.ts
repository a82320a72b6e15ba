import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';

const MIGRATIONS = new URL('../../migrations/', import.meta.url).pathname;
/** Any number that nothing else in this database locks. */
const LOCK_ID = 4_602_211;

export interface MigrateOptions {
  readonly ownerUrl: string;
  /** The login that the application connects with; it is made a member of the two roles. Default: the one in `ownerUrl`. */
  readonly loginUser?: string;
  readonly folder?: string;
}

/**
 * Brings the database to this version, under an advisory lock so that many processes may start at once. A file that was edited after it
 * ran, or one that this version does not know, is an error: nothing is guessed.
 */
export async function migrate({
  ownerUrl,
  loginUser,
  folder = MIGRATIONS,
}: MigrateOptions): Promise<{ readonly applied: readonly string[] }> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK_ID]);
    const applied = await applyMissing(client, folder);
    await joinRoles(client, loginUser);
    return { applied };
  } finally {
    await client.end();
  }
}

async function applyMissing(client: pg.Client, folder: string): Promise<string[]> {
  await client.query(
    'create table if not exists migration (name text primary key, checksum text not null, applied_at timestamptz not null default now())',
  );
  const done = new Map<string, string>();
  for (const row of (await client.query<{ name: string; checksum: string }>('select name, checksum from migration')).rows)
    done.set(row.name, row.checksum);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted();
  const unknown = [...done.keys()].filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new Error(
      `This database was made by a newer version of Nightshift (it has ${unknown.join(', ')}). Start that version, or use another database.`,
    );
  }
  const applied: string[] = [];
  for (const name of names) {
    const text = await readFile(join(folder, name), 'utf8');
    const checksum = createHash('sha256').update(text).digest('hex');
    if (done.get(name) === checksum) continue;
    if (done.has(name)) throw new Error(`Migration ${name} was edited after it ran. Restore it, and put the change into a new file.`);
    await client.query('begin');
    await client.query(text);
    await client.query('insert into migration (name, checksum) values ($1, $2)', [name, checksum]);
    await client.query('commit');
    applied.push(name);
  }
  return applied;
}

async function joinRoles(client: pg.Client, loginUser: string | undefined): Promise<void> {
  const { rows } = await client.query<{ login: string; missing: boolean }>(
    `select coalesce($1, current_user) as login,
            not (pg_has_role(coalesce($1, current_user), 'nightshift_app', 'usage')
             and pg_has_role(coalesce($1, current_user), 'nightshift_system', 'usage')) as missing`,
    [loginUser ?? null],
  );
  const row = rows[0];
  if (row?.missing === true) await client.query(`grant nightshift_app, nightshift_system to ${pg.escapeIdentifier(row.login)}`);
}
