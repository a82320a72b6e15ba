import type { z } from 'zod';

/** A mail that is written once and filled in for each recipient. */
export interface EmailTemplate {
  readonly name: string;
  /** In the order of the alphabet; one at least. */
  readonly locales: readonly string[];
  /** What `data` must be, as its author wrote it: JSON Schema 2020-12. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** The same, to check with. */
  readonly dataSchema: z.ZodType;
  readonly sample: Readonly<Record<string, unknown>>;
  /** Why it can't be used, in words for its author. */
  readonly fault?: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface RenderRequest {
  readonly template: EmailTemplate;
  /** The nearest that there is: `de-AT`, else `de`, else `en`, else the first. */
  readonly locale?: string | undefined;
  /** Checked against `dataSchema`. */
  readonly data: Readonly<Record<string, unknown>>;
  /** For mail that can be refused: what stands for each recipient's own link. */
  readonly unsubscribeUrl?: string | undefined;
}

export type Rendering =
  | {
      readonly outcome: 'rendered';
      readonly subject: string;
      readonly html: string;
      readonly text: string;
      /** The one that was taken. */
      readonly locale: string;
    }
  /** The template names a value that the data does not have, although its schema allows that. */
  | { readonly outcome: 'missing'; readonly variable: string }
  /** A fault of the template, in words for its author. */
  | { readonly outcome: 'broken'; readonly reason: string };

/** Templates and what becomes of them. What is read is what its files hold now: an edit needs no restart. */
export interface EmailTemplates {
  /** By name. */
  list(): Promise<readonly EmailTemplate[]>;
  /** Undefined when there is none of this name. */
  find(name: string): Promise<EmailTemplate | undefined>;
  render(request: RenderRequest): Promise<Rendering>;
}

/** `de-AT` → `de` → `en` → the first: the nearest of what there is. */
export function nearestLocale(locales: readonly string[], wanted: string | undefined): string {
  const parts = (wanted ?? '').toLowerCase().split('-');
  const candidates = [...parts.map((_, index) => parts.slice(0, parts.length - index).join('-')), 'en'];
  const found = candidates.map((candidate) => locales.find((locale) => locale.toLowerCase() === candidate)).find((locale) => locale);
  return found ?? locales[0] ?? 'en';
}
