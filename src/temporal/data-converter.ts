import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common';

/** Leaves payloads as they are. An encrypting codec takes its place here, and so in every client, worker, test and replay. */
const identityCodec: PayloadCodec = {
  encode: (payloads: Payload[]) => Promise.resolve(payloads),
  decode: (payloads: Payload[]) => Promise.resolve(payloads),
};

export const dataConverter: DataConverter = { payloadCodecs: [identityCodec] };
