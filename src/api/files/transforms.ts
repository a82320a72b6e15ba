import { FileTransformInput } from '../../contracts/files/transform.ts';
import { KINDS } from '../../contracts/kinds.ts';
import { StartFields } from '../../contracts/operation.ts';
import { UuidParams } from '../../contracts/routes.ts';
import type { ApiContext, PrepareInput } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { type Route, tenantRoute } from '../lib/route.ts';
import { splitStartBody, startedResponses, startOperation } from '../lib/start.ts';
import { sees } from '../lib/visibility.ts';
import { findFile } from './files.ts';

const kind = KINDS.fileTransform;
const Body = FileTransformInput.omit({ fileId: true })
  .extend(StartFields)
  .superRefine((body, context) => kind.check({ ...body, fileId: '' }, context));

/** Another table made of a table. */
export function transformRoutes(ctx: ApiContext): Route[] {
  return [
    tenantRoute([kind.scopes.start], {
      method: 'post',
      path: '/v1/files/{id}/transforms',
      operationId: 'transformFile',
      summary: 'Make another table of a table',
      description:
        'Of CSV, TSV or JSON lines, packed or not, a Parquet, JSON lines or CSV file, with the types that it has or that you give. Records that ' +
        'do not fit are left out and reported with line, column and reason. The work goes on after a crash where it was. `result` names the new files.',
      tag: 'Files',
      tokens: true,
      feature: 'files',
      params: UuidParams,
      body: Body,
      bodyOptional: true,
      bodyExamples: {
        parquet: { to: { format: 'parquet' } },
        described: {
          from: { delimiter: ';', encoding: 'windows-1252' },
          columns: [
            { name: 'id', type: 'integer' },
            { name: 'paidAt', type: 'timestamp' },
          ],
          to: { format: 'csv', compression: 'gzip' },
          profile: true,
        },
      },
      responses: startedResponses('fileTransform'),
      problems: ['not_found', 'file_not_ready'],
      idempotent: true,
      startsWork: true,
      async handler(request) {
        const { auth, params } = request;
        const { state } = await findFile(ctx, auth, params.id);
        if (state !== 'ready') throw new HttpProblem('file_not_ready', `The file is ${state}.`);
        const { input, start } = splitStartBody(request.body);
        return startOperation(ctx, { ...request, kind, input: { ...input, fileId: params.id }, start });
      },
    }),
  ];
}

/** Only a file that is ready is a source. */
export function prepareTransform(ctx: ApiContext): PrepareInput {
  return async (input, { tenantId, caller, pointer }) => {
    // As the kind's schema has found.
    const { fileId } = input as FileTransformInput;
    const file = await ctx.store.files.get(tenantId, fileId);
    const isSeen = file !== undefined && sees(caller, { id: fileId, root_id: fileId, kind: 'file', owner_subject: file.owner_subject });
    if (isSeen && file.state === 'ready') return input;
    const message = 'must be the id of a file that is ready';
    throw new HttpProblem('invalid_request', `${pointer}/fileId ${message}.`, { errors: [{ pointer: `${pointer}/fileId`, message }] });
  };
}
