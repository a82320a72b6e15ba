import { Context } from '@temporalio/activity';
import type { FileChecker } from '../../adapters/file-checker.ts';
import type { FindBytes } from '../../adapters/file-bytes.ts';
import type { Verdict } from '../../store/files/processing.ts';
import type { Store } from '../../store/index.ts';
import { withHeartbeat } from '../lib/heartbeat.ts';
import type { Slots } from '../lib/slots.ts';
import { type FileRequest, fileGone } from './core.ts';
import { orSourceFailure } from './source-failure.ts';

export interface FileCheckingDeps {
  readonly store: Store;
  readonly findBytes: FindBytes;
  readonly slots: Slots;
  readonly checker: FileChecker;
}

/** Workflow payloads are small, and nobody reads more. */
const MAX_REASONS = 20;

export function createFileChecking({ store, findBytes, slots, checker }: FileCheckingDeps) {
  /** Looks at what the file is and holds. Safe to repeat: it only reads. */
  async function checkFile({ run, fileId }: FileRequest): Promise<Verdict> {
    return withHeartbeat(async () => {
      const { file } = (await store.files.processing.inHand({ run, fileId })) ?? {};
      const bytes = file === undefined ? undefined : findBytes(file);
      if (file === undefined || bytes === undefined) throw fileGone();
      const { cancellationSignal: signal } = Context.current();
      return slots.use(1, signal, async () => {
        await using local = await orSourceFailure({ store, run, fileId }, () => bytes.openLocal({ signal }));
        if (local === undefined) throw fileGone();
        const { path, sizeBytes } = local;
        const facts = { sha256: file.sha256 ?? '', name: file.name ?? undefined, declaredType: file.declared_type ?? undefined };
        const { mediaType, reasons, checks } = await checker.check({ path, sizeBytes, ...facts }, { signal });
        return { mediaType, reasons: reasons.slice(0, MAX_REASONS), checks };
      });
    });
  }

  return { checkFile };
}
