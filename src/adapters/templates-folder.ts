import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createRenderer, TemplateFaultError } from './templates-render.ts';
import { type EmailTemplate, type EmailTemplates, nearestLocale, type Rendering, type RenderRequest } from './templates.ts';

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const LOCALE_FILE = /^([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\.mjml$/;

const JsonObject = z.record(z.string(), z.unknown());

/**
 * Templates as folders: `{name}/{locale}.mjml`, one for each language, `schema.json` for the data, `sample.json` to try it with.
 * A name is a name in this folder and never a path; nothing that a template says reads another file.
 */
export function createTemplateFolder(folder: string): EmailTemplates {
  const renderer = createRenderer();

  async function find(name: string): Promise<EmailTemplate | undefined> {
    if (!NAME.test(name)) return undefined;
    const files = await readdir(join(folder, name)).catch(nothingThere);
    const locales = (files ?? []).flatMap((file) => LOCALE_FILE.exec(file)?.[1] ?? []).toSorted();
    const changes = await Promise.all(locales.map(async (locale) => (await stat(join(folder, name, `${locale}.mjml`))).mtimeMs));
    if (locales.length === 0) return undefined;
    const known = { name, locales, createdAt: new Date(Math.min(...changes)), updatedAt: new Date(Math.max(...changes)) };
    try {
      const [schema, sample] = [await readObject(folder, name, 'schema.json'), await readObject(folder, name, 'sample.json')];
      return { ...known, schema, sample, dataSchema: schemaOf(schema) };
    } catch (error) {
      if (!(error instanceof TemplateFaultError)) throw error;
      return { ...known, schema: {}, sample: {}, dataSchema: JsonObject, fault: error.message };
    }
  }

  async function render({ template, locale: wanted, data, unsubscribeUrl }: RenderRequest): Promise<Rendering> {
    const locale = nearestLocale(template.locales, wanted);
    try {
      const source = await readFile(join(folder, template.name, `${locale}.mjml`), 'utf8');
      const rendered = await renderer.render({ source, locale, data, globals: unsubscribeUrl === undefined ? {} : { unsubscribeUrl } });
      return { outcome: 'rendered', locale, ...rendered };
    } catch (error) {
      if (!(error instanceof TemplateFaultError)) throw error;
      if (error.variable !== undefined) return { outcome: 'missing', variable: error.variable };
      return { outcome: 'broken', reason: `${locale}.mjml: ${error.message}` };
    }
  }

  return {
    find,
    render,
    async list() {
      const names = (await readdir(folder).catch(nothingThere)) ?? [];
      const found = await Promise.all(names.toSorted().map((name) => find(name)));
      return found.filter((template) => template !== undefined);
    },
  };
}

async function readObject(folder: string, name: string, file: string): Promise<Record<string, unknown>> {
  const text = await readFile(join(folder, name, file), 'utf8').catch(nothingThere);
  if (text === undefined) throw new TemplateFaultError(`${file} is missing`);
  try {
    return JsonObject.parse(JSON.parse(text));
  } catch {
    throw new TemplateFaultError(`${file} is not a JSON object`);
  }
}

function schemaOf(schema: Readonly<Record<string, unknown>>): EmailTemplate['dataSchema'] {
  try {
    return z.fromJSONSchema(schema);
  } catch {
    throw new TemplateFaultError('schema.json is not a JSON Schema that is understood here');
  }
}

/** Undefined for what isn't there; any other error is one. */
function nothingThere(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
  throw error;
}
