import { spawn } from 'node:child_process';

export function startPostgres(): void {
  spawn('postgres');
}
