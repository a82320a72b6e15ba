import type { FileProcessingInput } from '../../contracts/files/processing.ts';
import type { ApiContext, FeatureApi, PrepareInput } from '../lib/context.ts';
import { HttpProblem } from '../lib/problems.ts';
import { sees } from '../lib/visibility.ts';
import { createFileRoute } from './create.ts';
import { fileRoutes } from './files.ts';
import { createRunningHashes } from './running-hashes.ts';
import { prepareTransform, transformRoutes } from './transforms.ts';
import { uploadRoutes } from './uploads.ts';

export const filesApi: FeatureApi = {
  routes(ctx) {
    const parts = { ctx, hashes: createRunningHashes() };
    return [...uploadRoutes(parts), createFileRoute(parts), ...fileRoutes(ctx), ...transformRoutes(ctx)];
  },
  prepare: { fileProcessing: prepareProcessing, fileTransform: prepareTransform },
};

/** A file can be checked again, when there is one with all its bytes. */
function prepareProcessing(ctx: ApiContext): PrepareInput {
  return async (input, { tenantId, caller, pointer }) => {
    // As the kind's schema has found.
    const { fileId } = input as FileProcessingInput;
    const file = await ctx.store.files.get(tenantId, fileId);
    const isSeen = file !== undefined && sees(caller, { id: fileId, root_id: fileId, kind: 'file', owner_subject: file.owner_subject });
    const isWhole = isSeen && file.state !== 'deleted' && (file.object_name !== null || file.source !== null || file.state === 'checking');
    if (isWhole) return input;
    const message = 'must be the id of a file whose bytes are all here';
    throw new HttpProblem('invalid_request', `${pointer}/fileId ${message}.`, { errors: [{ pointer: `${pointer}/fileId`, message }] });
  };
}
