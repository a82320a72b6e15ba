/** Thrift's compact protocol, as far as Parquet's footer needs it: read into a tree, changed there, and written again. */
export interface ThriftStruct {
  readonly fields: ThriftField[];
}

interface ThriftField {
  readonly id: number;
  readonly type: number;
  value: ThriftValue;
}

export type ThriftValue = bigint | boolean | Buffer | ThriftList | ThriftStruct;

export interface ThriftList {
  readonly type: number;
  readonly values: ThriftValue[];
}

const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const INTEGERS: ReadonlySet<number> = new Set([4, 5, 6]);
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const SET = 10;
const STRUCT = 12;
const LONG = 15;

export function readStruct(bytes: Buffer): ThriftStruct {
  return new Reader(bytes).struct();
}

export function writeStruct(struct: ThriftStruct): Buffer {
  const writer = new Writer();
  writer.struct(struct);
  return writer.bytes();
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  struct(): ThriftStruct {
    const fields: ThriftField[] = [];
    let id = 0;
    for (;;) {
      const header = this.#byte();
      if (header === 0) return { fields };
      const delta = header >> 4;
      const type = header & 0x0f;
      id = delta === 0 ? Number(this.#zigzag()) : id + delta;
      fields.push({ id, type, value: type === TRUE || type === FALSE ? type === TRUE : this.#value(type) });
    }
  }

  #value(type: number): ThriftValue {
    if (INTEGERS.has(type)) return this.#zigzag();
    switch (type) {
      case TRUE:
      case FALSE:
        return this.#byte() === TRUE;
      case BYTE:
        return BigInt(this.#byte());
      case DOUBLE:
        return this.#take(8);
      case BINARY:
        return this.#take(Number(this.#varint()));
      case LIST:
      case SET:
        return this.#list();
      case STRUCT:
        return this.struct();
      default:
        throw new Error(`thrift: type ${type} is not expected here`);
    }
  }

  #list(): ThriftList {
    const header = this.#byte();
    const type = header & 0x0f;
    const size = header >> 4 === LONG ? Number(this.#varint()) : header >> 4;
    return { type, values: Array.from({ length: size }, () => this.#value(type)) };
  }

  #zigzag(): bigint {
    const value = this.#varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Error('thrift: the end is missing');
    this.#at += 1;
    return byte;
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    if (taken.length < length) throw new Error('thrift: the end is missing');
    this.#at += length;
    return taken;
  }
}

class Writer {
  readonly #parts: Buffer[] = [];

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  struct({ fields }: ThriftStruct): void {
    let last = 0;
    for (const { id, type, value } of fields) {
      const written = typeof value === 'boolean' ? (value ? TRUE : FALSE) : type;
      const delta = id - last;
      if (delta > 0 && delta < LONG) this.#byte((delta << 4) | written);
      else {
        this.#byte(written);
        this.#zigzag(BigInt(id));
      }
      last = id;
      if (typeof value !== 'boolean') this.#value(type, value);
    }
    this.#byte(0);
  }

  #value(type: number, value: ThriftValue): void {
    if (typeof value === 'boolean') this.#byte(value ? TRUE : FALSE);
    else if (typeof value === 'bigint') {
      if (type === BYTE) this.#byte(Number(value));
      else this.#zigzag(value);
    } else if (Buffer.isBuffer(value)) {
      if (type === BINARY) this.#varint(BigInt(value.length));
      this.#parts.push(value);
    } else if ('fields' in value) this.struct(value);
    else {
      const size = value.values.length;
      this.#byte((Math.min(size, LONG) << 4) | value.type);
      if (size >= LONG) this.#varint(BigInt(size));
      for (const one of value.values) this.#value(value.type, one);
    }
  }

  #zigzag(value: bigint): void {
    this.#varint(value < 0n ? -value * 2n - 1n : value * 2n);
  }

  #varint(value: bigint): void {
    let rest = value;
    while (rest >= 0x80n) {
      this.#byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#byte(Number(rest));
  }

  #byte(value: number): void {
    this.#parts.push(Buffer.from([value]));
  }
}
