import { hostileArchives } from './archives.ts';
import { hostileDocuments } from './documents.ts';
import type { HostileFile } from './file.ts';
import { hostileOthers } from './others.ts';

/** Every file of the corpus, made when it is asked for. */
export function hostileFiles(): readonly HostileFile[] {
  return [...hostileArchives(), ...hostileDocuments(), ...hostileOthers()];
}
