import { createHash } from 'node:crypto';
import type { Liquid, LiquidOptions } from 'liquidjs';

const MAX_COMPILED = 200;
/** A loop over much data ends here, rather than holding up every other request. */
const RENDER_LIMIT_MS = 500;
const MEMORY_LIMIT = 20_000_000;
const TEXT_WIDTH = 78;

/** Something is wrong with a template, in words for its author. */
export class TemplateFaultError extends Error {
  override readonly name = 'TemplateFaultError';
  /** Set when a value is missing that the template names. */
  readonly variable: string | undefined;

  constructor(message: string, options: { readonly variable?: string | undefined; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.variable = options.variable;
  }
}

interface Source {
  /** MJML with Liquid in it. */
  readonly source: string;
  readonly locale: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Values beside the data that every template may name. */
  readonly globals: Readonly<Record<string, unknown>>;
}

/** Two, since only HTML is escaped. */
interface Engines {
  readonly forHtml: Liquid;
  readonly forLine: Liquid;
}

interface Compiled {
  readonly subject: string;
  /** HTML with Liquid in it. */
  readonly html: string;
}

/**
 * MJML first, once a version of a template, then Liquid for each mail: values never become MJML, and a mail costs a millisecond. What is
 * put out is escaped for HTML unless the template says `raw`; there is no file to include.
 */
export function createRenderer() {
  const compiled = new Map<string, Promise<Compiled>>();
  const engines = new Map<string, Promise<Engines>>();

  async function render({ source, locale, data, globals }: Source): Promise<{ subject: string; html: string; text: string }> {
    const template = await compileOnce(source);
    const { forHtml, forLine } = await enginesOf(locale);
    const scope = { ...globals, ...data };
    // A subject is no HTML; what would break its line becomes a space.
    const subject = fill(forLine, template.subject, scope);
    const html = fill(forHtml, template.html, scope);
    return { subject: subject.replaceAll(/\s+/g, ' ').trim(), html, text: await textOf(html) };
  }

  function compileOnce(source: string): Promise<Compiled> {
    const key = createHash('sha256').update(source).digest('base64');
    const known = compiled.get(key);
    if (known !== undefined) return known;
    const made = compile(source);
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    compiled.set(key, made);
    return made;
  }

  function enginesOf(locale: string): Promise<Engines> {
    const made = engines.get(locale) ?? createEngines(locale);
    engines.set(locale, made);
    return made;
  }

  return { render };
}

/** Loaded when the first template is used: it is large, and most processes render nothing. */
async function compile(source: string): Promise<Compiled> {
  const { default: mjml2html } = await import('mjml');
  const subject = /<mj-title>([\s\S]*?)<\/mj-title>/.exec(source)?.[1];
  if (subject === undefined) throw new TemplateFaultError('it has no subject: write it into <mj-title>');
  try {
    // No fonts: their style sheets would be asked of another server when the mail is read.
    const { html, errors } = await mjml2html(source, { validationLevel: 'soft', keepComments: false, ignoreIncludes: true, fonts: {} });
    const first = errors[0];
    if (first !== undefined) throw new TemplateFaultError(`line ${first.line}: ${first.message}`);
    return { subject, html };
  } catch (error) {
    if (error instanceof TemplateFaultError) throw error;
    throw new TemplateFaultError('it is not MJML', { cause: error });
  }
}

async function createEngines(locale: string): Promise<Engines> {
  const liquid = await import('liquidjs');
  const options: LiquidOptions = {
    strictVariables: true,
    strictFilters: true,
    lenientIf: true,
    ownPropertyOnly: true,
    // Nothing can be included.
    templates: {},
    renderLimit: RENDER_LIMIT_MS,
    memoryLimit: MEMORY_LIMIT,
    locale,
  };
  const forHtml = new liquid.Liquid({ ...options, outputEscape: 'escape' });
  const forLine = new liquid.Liquid(options);
  for (const engine of [forHtml, forLine]) {
    engine.registerFilter('money', (amount: unknown, currency: unknown) => formatMoney(locale, Number(amount), String(currency)));
    engine.registerFilter('day', (instant: unknown) => formatDay(locale, String(instant)));
  }
  return { forHtml, forLine };
}

function fill(engine: Liquid, template: string, scope: object): string {
  try {
    return String(engine.parseAndRenderSync(template, scope));
  } catch (error) {
    const cause = error instanceof Error && 'originalError' in error ? error.originalError : undefined;
    const variable = cause instanceof Error && 'variableName' in cause ? String(cause.variableName) : undefined;
    throw new TemplateFaultError(error instanceof Error ? error.message : 'it can not be filled in', { variable, cause: error });
  }
}

/** What people see who read without HTML. Made from the HTML, so that the two never differ. */
async function textOf(html: string): Promise<string> {
  const { convert } = await import('html-to-text');
  return convert(html, {
    wordwrap: TEXT_WIDTH,
    selectors: [
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true, linkBrackets: ['<', '>'] } },
      { selector: 'img', format: 'skip' },
      { selector: 'h1', options: { uppercase: false } },
      { selector: 'h2', options: { uppercase: false } },
      // MJML lays out with tables, and says so of them; what remains is a table.
      { selector: 'table', format: 'dataTable', options: { uppercaseHeaderCells: false } },
      { selector: 'table[role=presentation]', format: 'block' },
    ],
  });
}

/** `1990`, `EUR` → `€19.90`: amounts are in minor units. */
function formatMoney(locale: string, amount: number, currency: string): string {
  const format = new Intl.NumberFormat(locale, { style: 'currency', currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

function formatDay(locale: string, instant: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(instant));
}
