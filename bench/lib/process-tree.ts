import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 10; // USER_HZ is 100 on every Linux that Node runs on

/** What a process and all that it started have used. */
export interface TreeUsage {
  /** User and system time, also that of children which have ended. */
  readonly cpuMs: number;
  /** Proportional share of memory: pages that processes share are counted once. */
  readonly memoryBytes: number;
}

/** Reads /proc. Processes that end meanwhile are left out. */
export function usageOf(rootPid: number): TreeUsage {
  const parents = new Map(pids().map((pid) => [pid, statOf(pid)?.parent]));
  const isInTree = (pid: number | undefined): boolean => pid === rootPid || (pid !== undefined && pid > 1 && isInTree(parents.get(pid)));
  const tree = [...parents.keys()].filter(isInTree);
  return {
    cpuMs: tree.reduce((sum, pid) => sum + (statOf(pid)?.cpuMs ?? 0), 0),
    memoryBytes: tree.reduce((sum, pid) => sum + memoryOf(pid), 0),
  };
}

/** Remembers the greatest memory of some trees until stopped. */
export function watchPeak(rootPids: readonly number[], everyMs = 1_000): { stop(): number } {
  let peakBytes = 0;
  const look = (): void => {
    peakBytes = Math.max(
      peakBytes,
      rootPids.reduce((sum, pid) => sum + usageOf(pid).memoryBytes, 0),
    );
  };
  const timer = setInterval(look, everyMs);
  look();
  return {
    stop() {
      clearInterval(timer);
      look();
      return peakBytes;
    },
  };
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function statOf(pid: number): { readonly parent: number; readonly cpuMs: number } | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name in parentheses may hold anything; what follows are numbers, the third field first.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const number = (field: number): number => Number(fields[field - 3]);
  return { parent: number(4), cpuMs: (number(14) + number(15) + number(16) + number(17)) * TICK_MS };
}

function memoryOf(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? '')?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
