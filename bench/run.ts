// Compares the product with a plain baseline in the same run. Ratios count; absolute figures move with the machine. See docs/proof/bench.md.
import { parseArgs } from 'node:util';
import { benchCheckout } from './checkout.ts';
import { benchEmail } from './email.ts';
import { benchFiles } from './files.ts';
import { benchStart } from './start.ts';
import { benchTables } from './tables.ts';

const USAGE = `npm run bench -- start | email | files | tables | checkout [--pairs N] [--posts N] [--rounds N]

  --pairs N     single posts in turns (300)
  --posts N     posts of one load (2000)
  --rounds N    loads of each side, in turns (5)
  --tree DIR    another clone than this one
`;
const BENCHES = { start: benchStart, email: benchEmail, files: benchFiles, tables: benchTables, checkout: benchCheckout } as const;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      pairs: { type: 'string', default: '300' },
      posts: { type: 'string', default: '2000' },
      rounds: { type: 'string', default: '5' },
      tree: { type: 'string' },
    },
  });
  const bench = Object.entries(BENCHES).find(([name]) => name === positionals[0])?.[1];
  if (bench === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { pairs, posts, rounds } = { pairs: Number(values.pairs), posts: Number(values.posts), rounds: Number(values.rounds) };
  return (await bench({ pairs, posts, rounds, tree: values.tree })) ? 0 : 1;
}
