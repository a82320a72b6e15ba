import { ApiError, invalid } from './errors.ts';
import { isList } from './form.ts';
import type { FormFields, FormValue } from './form.ts';

const MAX_METADATA = 50;
const MAX_METADATA_NAME = 40;
const MAX_METADATA_VALUE = 500;
const MAX_TEXT = 5000;

export type Metadata = Readonly<Record<string, string>>;

/** A bound of `created`: both ends included, in seconds. */
export interface SecondsRange {
  readonly from: number;
  readonly to: number;
}

/**
 * The parameters of one request. Whoever handles it reads those that it knows and then calls `done`, which refuses whatever is left, as Stripe
 * does. Undefined means that a parameter was not sent, null that it was sent empty, which unsets.
 */
export class Parameters {
  readonly #fields: FormFields;
  readonly #prefix: string;
  readonly #seen = new Set<string>();

  constructor(fields: FormFields, prefix = '') {
    this.#fields = fields;
    this.#prefix = prefix;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  text(name: string): string | null | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw invalid(`Invalid string: ${this.#nameOf(name)}`, { param: this.#nameOf(name) });
    if (value.length > MAX_TEXT) throw invalid(`Invalid string: must be at most ${MAX_TEXT} characters`, { param: this.#nameOf(name) });
    return value === '' ? null : value;
  }

  requiredText(name: string): string {
    return this.text(name) ?? this.#isMissing(name);
  }

  integer(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined || value === null) return undefined;
    if (!/^-?\d{1,12}$/.test(value))
      throw invalid(`Invalid integer: ${value.slice(0, 40)}`, { code: 'parameter_invalid_integer', param: this.#nameOf(name) });
    return Number(value);
  }

  requiredInteger(name: string): number {
    return this.integer(name) ?? this.#isMissing(name);
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name);
    if (value === undefined || value === null) return undefined;
    if (value !== 'true' && value !== 'false') throw invalid(`Invalid boolean: ${value.slice(0, 40)}`, { param: this.#nameOf(name) });
    return value === 'true';
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined || value === null) return undefined;
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    throw invalid(`Invalid ${this.#nameOf(name)}: must be one of ${allowed.join(', ')}`, { param: this.#nameOf(name) });
  }

  texts(name: string): readonly string[] | undefined {
    const value = this.#take(name);
    if (value === undefined || value === '') return undefined;
    if (isList(value) && value.every((item) => typeof item === 'string')) return value;
    throw invalid(`Invalid array: ${this.#nameOf(name)}`, { param: this.#nameOf(name) });
  }

  /** What changes; null for a name whose value is taken away. */
  metadata(): Readonly<Record<string, string | null>> | undefined {
    const value = this.#take('metadata');
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'string' || isList(value)) throw invalid('Invalid object', { param: 'metadata' });
    const entries = Object.entries(value).map(([name, text]) => {
      const isFine = typeof text === 'string' && name.length <= MAX_METADATA_NAME && text.length <= MAX_METADATA_VALUE;
      if (!isFine)
        throw invalid(`Metadata: names have up to ${MAX_METADATA_NAME}, values up to ${MAX_METADATA_VALUE} characters`, {
          param: 'metadata',
        });
      return [name, text === '' ? null : text] as const;
    });
    if (entries.length > MAX_METADATA) throw invalid(`Metadata: at most ${MAX_METADATA} names`, { param: 'metadata' });
    return Object.fromEntries(entries);
  }

  /** A nested parameter, handed to a reader of its own. */
  nested<T>(name: string, read: (inner: Parameters) => T): T | undefined {
    const value = this.#take(name);
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'string' || isList(value)) throw invalid('Invalid object', { param: this.#nameOf(name) });
    const inner = new Parameters(value, this.#nameOf(name));
    const result = read(inner);
    inner.done();
    return result;
  }

  created(): SecondsRange | undefined {
    const value = this.#fields['created'];
    if (typeof value === 'string') {
      const at = this.integer('created');
      return at === undefined ? undefined : { from: at, to: at };
    }
    return this.nested('created', (inner) => {
      const from = Math.max(inner.integer('gte') ?? 0, (inner.integer('gt') ?? -1) + 1);
      const to = Math.min(inner.integer('lte') ?? Infinity, (inner.integer('lt') ?? Infinity) - 1);
      return { from, to };
    });
  }

  /** Known and of no consequence here. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#seen.add(name);
  }

  /** @throws {ApiError} naming a parameter that nobody has read */
  done(): void {
    const unknown = Object.keys(this.#fields).find((name) => !this.#seen.has(name));
    if (unknown === undefined) return;
    const param = this.#nameOf(unknown);
    if (param === 'payment_method_types')
      throw invalid('The parameter payment_method_types is no longer supported: leave it out, or use allowed_payment_method_types.', {
        code: 'payment_method_types_no_longer_supported',
        param,
      });
    throw invalid(`Received unknown parameter: ${param}`, { code: 'parameter_unknown', param });
  }

  #take(name: string): FormValue | undefined {
    this.#seen.add(name);
    return this.#fields[name];
  }

  #nameOf(name: string): string {
    return this.#prefix === '' ? name : `${this.#prefix}[${name}]`;
  }

  #isMissing(name: string): never {
    const param = this.#nameOf(name);
    throw new ApiError(400, {
      type: 'invalid_request_error',
      code: 'parameter_missing',
      message: `Missing required param: ${param}.`,
      param,
    });
  }
}

/** Metadata after a change. */
export function mergeMetadata(before: Metadata, change: Readonly<Record<string, string | null>> | undefined): Metadata {
  const merged = { ...before, ...change };
  return Object.fromEntries(Object.entries(merged).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}
