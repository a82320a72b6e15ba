import { invalid } from './errors.ts';
import type { TableName } from './state.ts';
import type { Work } from './work.ts';

/** What can be expanded, by the object that it is in. */
const EXPANDABLE: Readonly<Record<string, readonly string[]>> = {
  balance_transaction: ['source'],
  charge: ['balance_transaction', 'customer', 'failure_balance_transaction', 'payment_intent'],
  payment_intent: ['customer', 'latest_charge', 'payment_method'],
  payment_method: ['customer'],
  refund: ['balance_transaction', 'charge', 'failure_balance_transaction', 'payment_intent'],
};
const TABLES: Readonly<Record<string, TableName>> = {
  ch: 'charge',
  cus: 'customer',
  pi: 'payment_intent',
  pm: 'payment_method',
  re: 'refund',
  txn: 'balance_transaction',
};
const MAX_DEPTH = 4;

/**
 * Puts objects in the place of their ids, along paths such as `latest_charge.balance_transaction` or, in a list, `data.charge`.
 * @throws {ApiError} when a path can't be expanded
 */
export function expand(work: Work, body: object, paths: readonly string[]): object {
  return paths.reduce((expanded, path) => expandPath(work, expanded, { path, parts: path.split('.') }), body);
}

interface Path {
  readonly path: string;
  readonly parts: readonly string[];
}

function expandPath(work: Work, body: object, { path, parts }: Path): object {
  const [name = '', ...rest] = parts;
  if (parts.length > MAX_DEPTH)
    throw invalid(`You cannot expand more than ${MAX_DEPTH} levels of a property. Property: ${path}`, { param: 'expand' });
  const value: unknown = (body as Readonly<Record<string, unknown>>)[name]; // any object can be asked for any name
  if (name === 'data' && Array.isArray(value)) {
    const items: readonly object[] = value;
    return { ...body, data: items.map((item) => expandPath(work, item, { path, parts: rest })) };
  }
  const kind = 'object' in body ? String(body.object) : '';
  if (EXPANDABLE[kind]?.includes(name) !== true) {
    throw invalid(`This property cannot be expanded (${path}).`, { param: 'expand' });
  }
  const found = typeof value === 'string' ? lookUp(work, value) : value;
  if (typeof found !== 'object' || found === null) return body;
  return { ...body, [name]: rest.length === 0 ? found : expandPath(work, found, { path, parts: rest }) };
}

function lookUp(work: Work, id: string): object | undefined {
  const table = TABLES[id.slice(0, id.indexOf('_'))];
  return table === undefined ? undefined : work.get(table, id);
}
