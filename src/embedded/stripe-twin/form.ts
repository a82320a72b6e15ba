import { invalid } from './errors.ts';

/** A body or query as sent: texts, and nested ones of `a[b]=c` and `a[0]=c`. */
export interface FormFields {
  readonly [name: string]: FormValue;
}
export type FormValue = string | FormFields | readonly FormValue[];

interface Node {
  [name: string]: string | Node;
}

const MAX_FIELDS = 1000;
const MAX_DEPTH = 5;

/**
 * Reads `application/x-www-form-urlencoded` with brackets, as Stripe takes it.
 * @throws {ApiError} when names contradict each other or are nested too deep
 */
export function parseForm(text: string): FormFields {
  const root = emptyNode();
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    count += 1;
    if (count > MAX_FIELDS) throw invalid(`A request has at most ${MAX_FIELDS} parameters.`);
    put(root, name, value);
  }
  return fieldsOf(root);
}

/** The same for the same fields in any order. */
export function canonical(value: FormValue): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonical).join(',')}]`;
  const names = Object.keys(value).toSorted();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name] ?? '')}`).join(',')}}`;
}

export function isList(value: FormValue): value is readonly FormValue[] {
  return Array.isArray(value);
}

function put(root: Node, name: string, value: string): void {
  const [first = '', ...rest] = name.split('[').map((part, index) => (index === 0 ? part : part.replace(/\]$/, '')));
  const path = [first, ...rest];
  if (path.length > MAX_DEPTH) throw invalid(`Invalid parameter name: ${name}`);
  let node = root;
  for (const part of path.slice(0, -1)) {
    const inner = node[part] ?? emptyNode();
    if (typeof inner === 'string') throw invalid(`Invalid parameter name: ${name}`);
    node[part] = inner;
    node = inner;
  }
  const last = path.at(-1) ?? '';
  node[last === '' ? String(Object.keys(node).length) : last] = value;
}

/** Without a prototype, so that no name of a field means anything else. */
function emptyNode(): Node {
  return Object.create(null) as Node; // an object without any property is a node
}

function fieldsOf(node: Node): FormFields {
  const fields: Record<string, FormValue> = Object.create(null) as Record<string, FormValue>; // as above
  for (const [name, value] of Object.entries(node)) fields[name] = typeof value === 'string' ? value : valueOf(value);
  return fields;
}

function valueOf(node: Node): FormValue {
  const names = Object.keys(node);
  const isIndexed = names.length > 0 && names.every((name, index) => name === String(index));
  return isIndexed ? Object.values(node).map((value) => (typeof value === 'string' ? value : valueOf(value))) : fieldsOf(node);
}
