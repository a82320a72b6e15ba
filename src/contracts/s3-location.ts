const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const FOLDER = /^[a-zA-Z0-9][a-zA-Z0-9/_.-]*$/;
const PARAMETERS: ReadonlySet<string> = new Set(['endpoint', 'region', 'pathStyle']);

/** A bucket of S3, or a folder of one, and how it is reached. */
export interface S3Location {
  readonly bucket: string;
  /** Empty, or with a slash at its end. */
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly isPathStyle: boolean;
}

/**
 * `s3://bucket/folder?endpoint=https://…&region=…`. Where a `placeholder` is given, the folder may hold it.
 * @throws {Error} saying what is wrong with it
 */
export function parseS3Location(url: string, { placeholder }: { readonly placeholder?: string } = {}): S3Location {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.protocol !== 's3:' || !BUCKET.test(parsed.hostname))
    throw new Error('must name a bucket, as in s3://my-bucket.');
  if (parsed.username !== '' || parsed.password !== '')
    throw new Error('must hold no secrets; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a role.');
  const unknown = [...parsed.searchParams.keys()].find((name) => !PARAMETERS.has(name));
  if (unknown !== undefined) throw new Error(`knows endpoint, region and pathStyle, and no ${unknown}.`);
  const endpoint = endpointOf(parsed.searchParams.get('endpoint'));
  const folder = folderOf(parsed.pathname);
  const plain = placeholder === undefined ? folder : folder.replaceAll(placeholder, 'x');
  if (plain !== '' && !FOLDER.test(plain)) throw new Error('the folder may have letters, digits, - _ . and / only.');
  const pathStyle = parsed.searchParams.get('pathStyle');
  return {
    bucket: parsed.hostname,
    prefix: folder === '' ? '' : `${folder}/`,
    endpoint,
    region: parsed.searchParams.get('region') ?? undefined,
    isPathStyle: pathStyle === null ? endpoint !== undefined : pathStyle !== '0' && pathStyle !== 'false',
  };
}

function endpointOf(text: string | null): string | undefined {
  if (text === null) return undefined;
  const parsed = URL.parse(text);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw new Error('endpoint must be an address with http: or https:.');
  // In one form, so that two can be compared.
  return parsed.href.replace(/\/+$/, '');
}

function folderOf(pathname: string): string {
  // Braces are the only characters of a placeholder that a URL has in another form.
  return pathname
    .replaceAll('%7B', '{')
    .replaceAll('%7D', '}')
    .replace(/^\/+|\/+$/g, '');
}
