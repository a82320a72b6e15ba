import * as z from 'zod';

/** Audit rows of what is nobody's own have this subject; a person of this name would share their fate. */
const RESERVED = 'tenant';

/** Whom a token stands for and whose a row is: the host application's own id, never personal, since ids are seen in logs. */
export const Subject = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}$/, 'must be 1 to 128 of A-Z, a-z, 0-9 and . _ : ~ -, and start with a letter or digit')
  .refine((subject) => subject !== RESERVED, `must not be \`${RESERVED}\``)
  .meta({ example: 'u_42' });
