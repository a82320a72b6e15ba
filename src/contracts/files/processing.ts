import * as z from 'zod';
import { FileReason, FileState } from './file.ts';

/** Check a file whose bytes are all here. Uploads start it by themselves; asked for again, it looks anew. */
export const FileProcessingInput = z.strictObject({
  fileId: z.uuid().meta({ description: 'A file whose bytes are all here.', example: '019ab6a0-7c00-7000-8000-000000000001' }),
});
export type FileProcessingInput = z.infer<typeof FileProcessingInput>;

export const FileProcessingResult = z.object({
  fileId: z.uuid(),
  state: FileState.extract(['ready', 'quarantined', 'failed']),
  mediaType: z.string().optional(),
  sizeBytes: z.int(),
  sha256: z.string(),
  reasons: z.array(FileReason).optional(),
});
export type FileProcessingResult = z.infer<typeof FileProcessingResult>;
