import { type Logger, pino } from 'pino';

/** Fields that could hold a secret or something personal, wherever they turn up. */
const REDACTED = ['authorization', 'cookie', 'password', 'secret', 'token', 'email', 'to', 'cc', 'bcc', 'address', 'input', 'body'];

/** JSON lines on stdout. Messages are constants; data goes into fields. */
export function createLog(level: string, name: string): Logger {
  const paths = REDACTED.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);
  return pino({ level, name, redact: { paths, censor: '[redacted]' }, formatters: { level: (label) => ({ level: label }) } });
}
