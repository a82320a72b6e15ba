import * as z from 'zod';
import { type ZodOpenApiOperationObject, type ZodOpenApiPathsObject, type ZodOpenApiResponseObject, createDocument } from 'zod-openapi';
import { PROBLEMS, Problem, type ProblemCode } from '../../contracts/problems.ts';
import { TOKEN_PARAMETER } from './auth.ts';
import type { ApiContext } from './context.ts';
import { HttpProblem, problemBody } from './problems.ts';
import type { ResponseSpec, Route } from './route.ts';

const EXAMPLE_REQUEST_ID = '0d5f6a0e-3f5c-4a52-9a1b-7a3f8e1c2b4d';

/** Of the headers that single routes take. */
const HEADER_EXAMPLES: Readonly<Record<string, string>> = {
  'If-None-Match': '"5f2b"',
  'If-Range': '"5f2b"',
  'Last-Event-ID': '1',
  Prefer: 'wait=10',
  Range: 'bytes=0-1023',
  'Tus-Resumable': '1.0.0',
  'Upload-Checksum': 'sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=',
  'Upload-Defer-Length': '1',
  'Upload-Length': '1048576',
  'Upload-Metadata': 'filename cGljdHVyZS5wbmc=,filetype aW1hZ2UvcG5n',
  'Upload-Offset': '524288',
};

const TAGS = [
  { name: 'Operations', description: 'Work that was accepted: start it, follow it, cancel it, try it again.' },
  { name: 'Events', description: 'What happened on the platform, in order.' },
  { name: 'Users', description: 'Your users, as far as features need them.' },
  { name: 'API keys', description: 'Who may do what.' },
  { name: 'Tokens', description: 'Short-lived rights for browsers and end users.' },
  { name: 'Sessions', description: 'The way into our own pages.' },
  { name: 'Tenants', description: 'Customers of the platform, apart from each other.' },
  { name: 'Server', description: 'Health and version.' },
];

const DESCRIPTION = [
  'Nightshift does the work that an application must not make its users wait for.',
  'A request that starts work is stored and answered at once with an **operation**; follow it by its id, its stream, or events.',
  'Errors are `application/problem+json`; decide by their `code`.',
].join(' ');

/** The OpenAPI 3.1 document of the routes that are mounted. */
export function describeRoutes(ctx: Pick<ApiContext, 'http' | 'version'>, routes: readonly Route[]): ReturnType<typeof createDocument> {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: describeRoute(route, ctx.http.publicUrl) };
  const known = new Set(TAGS.map((tag) => tag.name));
  const featureTags = [...new Set(routes.map((route) => route.tag))]
    .filter((tag) => !known.has(tag))
    .map((name) => ({ name, description: `The feature ${name}.` }));
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Nightshift',
      version: ctx.version,
      description: DESCRIPTION,
      license: {
        name: 'MIT',
        identifier: 'MIT',
      },
    },
    servers: [{ url: '/', description: 'The server that this document comes from.' }],
    tags: [...featureTags, ...TAGS],
    paths,
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An API key, `ns_…`. `npm start` writes a first one to .data/api-key.' },
        token: { type: 'http', scheme: 'bearer', description: 'The token of an end user, `nt_…`, from POST /v1/tokens.' },
        tokenInQuery: {
          type: 'apiKey',
          in: 'query',
          name: TOKEN_PARAMETER,
          description: 'The same token, where a browser can set no header.',
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'nightshift_session',
          description: 'A session of our own pages, from the link that `npm start` prints. Browsers send it by themselves.',
        },
      },
    },
  });
}

function describeRoute(route: Route, publicUrl: string): ZodOpenApiOperationObject {
  const { access } = route;
  const needs = access.kind === 'tenant' ? ` Needs the scope ${access.scopes.map((scope) => `\`${scope}\``).join(' or ')}.` : '';
  const platform = access.kind === 'platform' ? ' Needs a platform key.' : '';
  const tokens = route.tokens === true ? ' A token reaches only what is its subject’s.' : '';
  return {
    operationId: route.operationId,
    summary: route.summary,
    description: `${route.description}${needs}${platform}${tokens}`,
    tags: [route.tag],
    security: describeSecurity(route),
    requestParams: {
      ...(route.params === undefined ? {} : { path: route.params }),
      ...(route.query === undefined ? {} : { query: route.query }),
      ...describeHeaders(route),
    },
    ...(route.body === undefined ? {} : { requestBody: describeBody(route, route.body) }),
    ...(route.streams === undefined ? {} : { requestBody: { required: false, content: { ...route.streams } } }),
    responses: {
      ...Object.fromEntries(Object.entries(route.responses).map(([status, spec]) => [status, describeResponse(spec)])),
      ...describeProblems(route, publicUrl),
    },
  };
}

function describeSecurity({ access, tokens, tokenInQuery }: Route): Record<string, string[]>[] {
  if (access.kind === 'public') return [];
  const names = [
    'key',
    ...(access.kind === 'tenant' ? ['session'] : []),
    ...(tokens === true ? ['token'] : []),
    ...(tokenInQuery === true ? ['tokenInQuery'] : []),
  ];
  return names.map((name) => ({ [name]: [] }));
}

function describeHeaders(route: Route): { header?: z.ZodObject } {
  const header = (description: string, example: string | undefined, isNeeded = false) =>
    (isNeeded ? z.string() : z.string().optional()).meta({ description, example });
  const shape = {
    ...(route.access.kind === 'tenant' ? { 'Nightshift-Tenant': header('For platform keys: the tenant to act for.', 'acme') } : {}),
    ...(route.idempotent === true
      ? {
          'Idempotency-Key': header(
            '1 to 255 characters of your own. The same request with the same key is done once, however often it is sent.',
            '"order-4711"',
            route.needsKey,
          ),
        }
      : {}),
    ...(route.startsWork === true
      ? { Prefer: header('`wait=N`: answer when the work has ended, at most N seconds later (N ≤ 25).', 'wait=10') }
      : {}),
    ...Object.fromEntries(
      Object.entries(route.headers ?? {}).map(([name, description]) => [name, header(description, HEADER_EXAMPLES[name])]),
    ),
  };
  return Object.keys(shape).length === 0 ? {} : { header: z.object(shape) };
}

function describeBody(route: Route, schema: z.ZodType): NonNullable<ZodOpenApiOperationObject['requestBody']> {
  const examples =
    route.bodyExamples === undefined
      ? undefined
      : Object.fromEntries(Object.entries(route.bodyExamples).map(([name, value]) => [name, { value }]));
  return {
    required: route.bodyOptional !== true,
    content: { 'application/json': { schema, ...(examples === undefined ? { example: route.bodyExample } : { examples }) } },
  };
}

function describeResponse(spec: ResponseSpec): ZodOpenApiResponseObject {
  const headers = Object.fromEntries(
    Object.entries(spec.headers ?? {}).map(([name, description]) => [name, { description, schema: { type: 'string' as const } }]),
  );
  return {
    description: spec.description,
    ...(spec.headers === undefined ? {} : { headers }),
    ...(spec.schema === undefined
      ? {}
      : { content: { [spec.contentType ?? 'application/json']: { schema: spec.schema, example: spec.example } } }),
  };
}

/** Every problem that follows from what the route is, by status, with an example each. */
function describeProblems(route: Route, publicUrl: string): Record<string, ZodOpenApiResponseObject> {
  const byStatus = Map.groupBy(new Set(problemsOf(route)), (code) => String(PROBLEMS[code].status));
  const responses: Record<string, ZodOpenApiResponseObject> = {};
  for (const [status, codes] of byStatus) {
    // A route may say itself what a status of this sort means.
    if (Object.hasOwn(route.responses, status)) continue;
    const examples = Object.fromEntries(
      codes.map((code) => [code, { value: problemBody(new HttpProblem(code), publicUrl, EXAMPLE_REQUEST_ID) }]),
    );
    responses[status] = {
      description: codes.map((code) => PROBLEMS[code].title).join('; '),
      content: { 'application/problem+json': { schema: Problem, examples } },
    };
  }
  return responses;
}

function problemsOf(route: Route): ProblemCode[] {
  const isTenant = route.access.kind === 'tenant';
  return [
    ...(route.body !== undefined || route.query !== undefined ? (['invalid_request'] as const) : []),
    ...(route.body === undefined ? [] : (['malformed_json', 'payload_too_large', 'unsupported_media_type'] as const)),
    ...(route.access.kind === 'public' ? [] : (['unauthenticated'] as const)),
    ...(isTenant ? (['tenant_required', 'insufficient_scope'] as const) : []),
    ...(isTenant && route.tokens !== true ? (['key_required'] as const) : []),
    ...(route.access.kind === 'platform' ? (['platform_key_required'] as const) : []),
    ...(route.idempotent === true ? (['idempotency_key_reused'] as const) : []),
    ...(route.needsKey === true ? (['idempotency_key_required'] as const) : []),
    ...(route.problems ?? []),
    ...(['malformed_url', 'rate_limited', 'internal', 'unavailable'] as const),
  ];
}
