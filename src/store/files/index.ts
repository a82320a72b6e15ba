import { createMadeFilesStore } from './made.ts';
import { createProcessingStore } from './processing.ts';
import { createFileRecords } from './records.ts';
import { createRemovalStore } from './removal.ts';
import { createSourcesStore } from './sources.ts';
import { createTransformsStore } from './transforms.ts';
import { createUploadsStore, type FileParts } from './uploads.ts';

/** Files from their first byte to their removal. */
export function createFilesStore(parts: FileParts) {
  return {
    ...createFileRecords(parts.db),
    uploads: createUploadsStore(parts),
    processing: createProcessingStore(parts),
    removal: createRemovalStore(parts),
    sources: createSourcesStore(parts),
    transforms: createTransformsStore(parts),
    made: createMadeFilesStore(parts),
  };
}
