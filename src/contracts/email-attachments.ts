import * as z from 'zod';

/** Of all attachments of a mail together, before they are encoded. */
export const MAX_ATTACHMENT_BYTES = 5_000_000;
const MAX_ATTACHMENTS = 20;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

const NewAttachment = z
  .strictObject({
    filename: z
      .string()
      .min(1)
      .max(200)
      .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}/\\]+$/u, 'must be a name without a path, on one line')
      .meta({ description: 'As recipients see it.', example: 'invoice.pdf' }),
    contentType: z
      .string()
      .max(100)
      .regex(/^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/i, 'must be a media type such as application/pdf')
      .meta({ example: 'application/pdf' }),
    content: z
      .string()
      .min(1)
      .refine((text) => text.length % 4 === 0 && BASE64.test(text), 'must be base64, with its padding')
      .meta({ description: 'The bytes in base64.', example: 'SGVsbG8=' }),
  })
  .meta({ id: 'NewAttachment' });

export const NewAttachments = z.array(NewAttachment).min(1).max(MAX_ATTACHMENTS);

/** An attachment as mails keep it: the bytes are stored once, under their hash. */
export interface StoredAttachment {
  readonly filename: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** How many bytes a text of base64 stands for. */
export function decodedBytes(base64: string): number {
  return (base64.length / 4) * 3 - (base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0);
}
