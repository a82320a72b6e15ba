import { createReadStream } from 'node:fs';
import type { FileChecks, FileReason } from '../contracts/files/file.ts';
import { CHECK_REASONS, type CheckReasonCode } from '../contracts/files/reasons.ts';
import type { Antivirus, ScanResult } from './antivirus.ts';
import { CHECK_LIMITS, type CheckLimits } from './file-check/inspection.ts';
import { CheckThreads } from './file-check/thread.ts';

/** The longest that looking into a file takes, whatever is in it. */
const CHECK_DEADLINE_MS = 8_000;
/** Of that, a look must have had so much of a processor to be called too long: else the machine was busy, and the file is tried again. */
const CPU_SHARE = 0.5;

/** A whole file on this machine that nobody writes to. */
export interface CheckedFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  /** What the user calls it. */
  readonly name: string | undefined;
  readonly declaredType: string | undefined;
}

export interface FileVerdict {
  /** What the content is; `application/octet-stream` where nothing is known. */
  readonly mediaType: string;
  /** Why it must stay in quarantine; none: it may be had. */
  readonly reasons: readonly FileReason[];
  readonly checks: FileChecks;
}

/** Looks at files from strangers. Never throws because of what a file holds: that is a reason. */
export interface FileChecker {
  /**
   * Answers within 10 s and the time that the virus scanner takes. Safe to repeat.
   * @throws when the machine, the scanner or the signal fails, or the machine is too busy, so that it may be tried again
   */
  check(file: CheckedFile, options: { readonly signal: AbortSignal }): Promise<FileVerdict>;
}

export interface FileCheckerOptions {
  readonly antivirus: Antivirus;
  readonly limits?: Partial<CheckLimits>;
  readonly deadlineMs?: number;
  /** What this process has had of processors so far, in ms. */
  readonly cpuMs?: () => number;
}

/** Looks into files in threads with limits on time and memory, and asks the virus scanner. Writes nothing anywhere. */
export function createFileChecker(options: FileCheckerOptions): FileChecker {
  const { antivirus, limits = {}, deadlineMs = CHECK_DEADLINE_MS, cpuMs = cpuOfProcess } = options;
  const threads = new CheckThreads({ deadlineMs, minCpuMs: deadlineMs * CPU_SHARE, cpuMs });
  const all = { ...CHECK_LIMITS, ...limits };
  return {
    async check(file, { signal }) {
      const task = { path: file.path, fileName: file.name ?? '', declaredType: file.declaredType, limits: all };
      const { type, findings } = await threads.check(task, signal);
      const scanned = await scan(antivirus, file, signal);
      const reasons = findings.map(({ code, detail }) => reasonOf(code, detail));
      if (scanned.state === 'infected') reasons.push(reasonOf('infected', scanned.signature));
      return { mediaType: type, reasons, checks: { antivirus: stateOf(scanned) } };
    },
  };
}

function cpuOfProcess(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function scan(antivirus: Antivirus, { path, sha256 }: CheckedFile, signal: AbortSignal): Promise<ScanResult> {
  return antivirus.scan({ content: createReadStream(path), sha256, signal });
}

function reasonOf(code: CheckReasonCode, detail: string | undefined): FileReason {
  const sentence = CHECK_REASONS[code];
  return { code, message: detail === undefined ? sentence : `${sentence.slice(0, -1)}: ${detail}.` };
}

function stateOf(result: ScanResult): FileChecks['antivirus'] {
  const { engine } = result;
  switch (result.state) {
    case 'clean':
      return { state: 'clean', engine };
    case 'infected':
      return { state: 'infected', engine, signature: result.signature };
    case 'not_scanned':
      return { state: result.why === 'no_signature_database' ? 'no_signature_database' : 'not_scanned', engine };
  }
}
