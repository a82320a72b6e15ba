import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { CheckReasonCode } from '../../../src/contracts/files/reasons.ts';
import type { HostileFile } from './file.ts';
import { makeTar, type MadeTarEntry, paxRecord } from './tar-maker.ts';
import { type MadeEntry, makeZip } from './zip-maker.ts';

const MEBIBYTE = 1024 * 1024;
const hello: MadeEntry = { name: 'hello.txt', data: 'hello' };

function zip(what: string, reasons: readonly CheckReasonCode[], entries: () => readonly MadeEntry[]): HostileFile {
  return lying(what, reasons, () => [entries()]);
}

function lying(what: string, reasons: readonly CheckReasonCode[], made: () => Parameters<typeof makeZip>): HostileFile {
  return { what: `zip: ${what}`, fileName: 'a.zip', content: () => makeZip(...made()), reasons };
}

function tar(what: string, reasons: readonly CheckReasonCode[], entries: () => readonly MadeTarEntry[]): HostileFile {
  return { what: `tar: ${what}`, fileName: 'a.tar', content: () => makeTar(entries()), reasons };
}

const TRAVERSALS: readonly (readonly [string, CheckReasonCode])[] = [
  ['../escape.txt', 'archive_path_escape'],
  ['../../../../../../etc/cron.d/evil', 'archive_path_escape'],
  ['a/../../escape.txt', 'archive_path_escape'],
  ['a/b/../../../escape', 'archive_path_escape'],
  ['..\\escape.txt', 'archive_path_escape'],
  ['a\\..\\..\\escape.txt', 'archive_path_escape'],
  ['..', 'archive_path_escape'],
  ['./../escape', 'archive_path_escape'],
  ['/etc/passwd', 'archive_absolute_path'],
  ['//server/share/x', 'archive_absolute_path'],
  ['\\\\server\\share\\x', 'archive_absolute_path'],
  ['C:\\Windows\\evil.dll', 'archive_absolute_path'],
  ['c:evil.txt', 'archive_absolute_path'],
  ['nul\0byte.txt', 'archive_bad_name'],
  ['line\nbreak.txt', 'archive_bad_name'],
  ['bell\u0007.txt', 'archive_bad_name'],
  ['escape\u001b[2Jcode', 'archive_bad_name'],
  ['gpj.\u202Eexe', 'archive_bad_name'],
  ['zero\u200bwidth', 'archive_bad_name'],
  ['CON', 'archive_bad_name'],
  ['folder/aux.txt', 'archive_bad_name'],
  ['lpt1', 'archive_bad_name'],
  [`${'x'.repeat(300)}.txt`, 'archive_bad_name'],
  ['a/'.repeat(2100) + 'deep', 'archive_bad_name'],
];

function zipNames(): HostileFile[] {
  return TRAVERSALS.map(([name, reason]) =>
    zip(`entry ${JSON.stringify(name).slice(0, 40)}`, [reason], () => [hello, { name, data: 'x' }]),
  );
}

function tarNames(): HostileFile[] {
  return TRAVERSALS.filter(([name]) => name.length < 100 && !name.includes('\0')).map(([name, reason]) =>
    tar(`entry ${JSON.stringify(name).slice(0, 40)}`, [reason], () => [
      { name: 'a.txt', data: 'x' },
      { name, data: 'x' },
    ]),
  );
}

/** Packed zeros: a thousand to one. */
function zeros(bytes: number): Buffer {
  return deflateRawSync(Buffer.alloc(bytes));
}

function nestedZip(depth: number): Buffer {
  let inner = makeZip([hello]);
  for (let level = 1; level < depth; level += 1) inner = makeZip([{ name: `level-${level}.zip`, data: inner, method: 0 }]);
  return inner;
}

/** Sixteen in sixteen in sixteen …, of one bomb. */
function fanned(levels: number): Buffer {
  let inner: Buffer = makeZip([{ name: '0', packed: zeros(4 * MEBIBYTE), sizeBytes: 4 * MEBIBYTE, crc: 0 }]);
  for (let level = 0; level < levels; level += 1) {
    const copy = inner;
    inner = makeZip(Array.from({ length: 16 }, (_, index) => ({ name: `${index}.zip`, data: copy })));
  }
  return inner;
}

function zipBombs(): HostileFile[] {
  return [
    zip('64 MiB of zeros', ['archive_bomb'], () => [{ name: 'zeros', packed: zeros(64 * MEBIBYTE), sizeBytes: 64 * MEBIBYTE, crc: 0 }]),
    zip('256 MiB that says it is small', ['archive_header_mismatch', 'archive_bomb'], () => [
      { name: 'zeros', packed: zeros(256 * MEBIBYTE), sizeBytes: 1000, crc: 0 },
    ]),
    zip('sizes of 4 GiB', ['archive_bomb'], () => [{ name: 'big', data: 'x', sizeBytes: 0xfffffffe }]),
    zip('many entries, each at the limit', ['archive_bomb'], () => {
      // 95:1, so that no single one is too well packed.
      const bytes = 40 * MEBIBYTE;
      const packed = Buffer.concat([zeros(bytes)]);
      return Array.from({ length: 60 }, (_, index) => ({ name: `${index}`, packed, sizeBytes: bytes, crc: 0 }));
    }),
    lying('overlapping: one content, a thousand names', ['archive_overlap'], () => [
      [{ ...hello, data: 'x'.repeat(5000) }],
      {
        repeatFirst: 1000,
      },
    ]),
    zip('20,000 entries', ['archive_too_many_entries'], () =>
      Array.from({ length: 20_000 }, (_, index) => ({ name: `${index}`, method: 0 })),
    ),
    lying('an end that says 65,000 entries', ['archive_too_many_entries'], () => [[hello], { end: { entries: 65_000 } }]),
    lying('an end that says more entries than there are', ['archive_damaged'], () => [[hello], { end: { entries: 9 } }]),
    lying('an end that says fewer entries than there are', ['archive_damaged'], () => [
      [hello, { name: 'hidden', data: 'x' }],
      {
        end: { entries: 1 },
      },
    ]),
    { what: 'zip: five deep', fileName: 'a.zip', content: () => nestedZip(5), reasons: ['archive_nested_too_deep'] },
    {
      what: 'zip: 16 × 16 × 16 × 4 MiB',
      fileName: 'a.zip',
      content: () => fanned(3),
      reasons: ['archive_nested_too_deep', 'archive_bomb'],
    },
    { what: 'zip: 16 × 16 × 4 MiB', fileName: 'a.zip', content: () => fanned(2), reasons: ['archive_bomb', 'archive_nested_too_deep'] },
    zip('a zip of 48 MiB in a zip', ['archive_nested_too_deep', 'archive_bomb'], () => [
      { name: 'in.zip', data: makeZip([{ name: 'noise', data: Buffer.alloc(48 * MEBIBYTE, 'ab'), method: 0 }]) },
    ]),
  ];
}

function zipLies(): HostileFile[] {
  return [
    zip('another name before the content', ['archive_header_mismatch'], () => [{ ...hello, local: { name: 'other.txt' } }]),
    zip('another method before the content', ['archive_header_mismatch'], () => [{ ...hello, local: { method: 0 } }]),
    zip('another size before the content', ['archive_header_mismatch'], () => [{ ...hello, local: { sizeBytes: 9999 } }]),
    zip('another checksum before the content', ['archive_header_mismatch'], () => [{ ...hello, local: { crc: 1 } }]),
    zip('encrypted by the header alone', ['archive_header_mismatch'], () => [{ ...hello, local: { flags: 1 } }]),
    zip('a wrong checksum', ['archive_bad_checksum'], () => [{ ...hello, crc: 12_345 }]),
    zip('larger than it says', ['archive_header_mismatch'], () => [{ ...hello, sizeBytes: 2 }]),
    zip('smaller than it says', ['archive_header_mismatch'], () => [{ ...hello, sizeBytes: 500 }]),
    zip('content that can not be unpacked', ['archive_damaged'], () => [{ ...hello, packed: Buffer.alloc(50, 0xff) }]),
    zip('a name that is not the UTF-8 it promises', ['archive_bad_name'], () => [
      { name: Buffer.from([0x61, 0xff, 0xfe]), data: 'x', flags: 0x0800 },
    ]),
    zip('a second name in its extra field', ['archive_header_mismatch'], () => {
      const name = Buffer.from('\u0001\0\0\0\0../evil');
      const head = Buffer.alloc(4);
      head.writeUInt16LE(0x7075, 0);
      head.writeUInt16LE(name.length, 2);
      return [{ ...hello, extra: Buffer.concat([head, name]) }];
    }),
    zip('the same name twice', ['archive_duplicate_name'], () => [hello, hello]),
    zip('the same name in another case', ['archive_duplicate_name'], () => [hello, { name: 'HELLO.txt', data: 'other' }]),
    zip('the same name in another form of Unicode', ['archive_duplicate_name'], () => [
      { name: 'caf\u00e9', data: '1' },
      { name: 'cafe\u0301', data: '2' },
    ]),
    zip('the same path by a detour', ['archive_duplicate_name'], () => [hello, { name: './/hello.txt', data: 'other' }]),
    zip('a symbolic link', ['archive_link'], () => [{ name: 'link', data: '/etc/passwd', unixMode: 0o120777 }]),
    zip('a device', ['archive_special_entry'], () => [{ name: 'device', unixMode: 0o020666 }]),
    zip('a pipe', ['archive_special_entry'], () => [{ name: 'pipe', unixMode: 0o010666 }]),
    zip('encrypted', ['archive_encrypted'], () => [{ ...hello, flags: 1 }]),
    zip('encrypted by AES', ['archive_encrypted'], () => [{ ...hello, method: 99 }]),
    zip('its directory encrypted', ['archive_encrypted'], () => [{ ...hello, flags: 0x2000 }]),
    zip('packed by LZMA', ['archive_unsupported'], () => [{ ...hello, method: 14 }]),
    zip('packed by a method that nobody knows', ['archive_unsupported'], () => [{ ...hello, method: 77 }]),
    lying('of several disks', ['archive_unsupported'], () => [[hello], { end: { disk: 3 } }]),
    lying('a program before it', ['polyglot'], () => [[hello], { prefix: Buffer.from('PK\u0003\u0004#!/bin/sh\nrm -rf /\n') }]),
    lying('a directory that is elsewhere', ['archive_damaged', 'archive_header_mismatch'], () => [[hello], { end: { offset: 3 } }]),
    lying('a directory beyond the end', ['archive_damaged'], () => [[hello], { end: { offset: 0xfffffff0 } }]),
    lying('bytes after the end', ['archive_damaged'], () => [[hello], { suffix: Buffer.from('hidden') }]),
    lying('a directory that is larger than the file', ['archive_damaged', 'archive_too_many_entries'], () => [
      [hello],
      {
        end: { sizeBytes: 0x7fffffff },
      },
    ]),
    lying('zip64 without its end', ['archive_damaged'], () => [[hello], { end: { offset: 0xffffffff } }]),
    zip('an entry with a name of no letters', ['archive_bad_name'], () => [{ name: '', data: 'x' }]),
  ];
}

function tars(): HostileFile[] {
  return [
    tar('a symbolic link', ['archive_link'], () => [{ name: 'link', type: '2', linkTo: '/etc/passwd' }]),
    tar('a hard link', ['archive_link'], () => [{ name: 'link', type: '1', linkTo: '../../x' }]),
    tar('a device', ['archive_special_entry'], () => [{ name: 'device', type: '3' }]),
    tar('a pipe', ['archive_special_entry'], () => [{ name: 'pipe', type: '6' }]),
    tar('a type that nobody knows', ['archive_special_entry'], () => [{ name: 'odd', type: 'Z' }]),
    tar('a link with content', ['archive_header_mismatch'], () => [{ name: 'link', type: '2', linkTo: 'x', data: 'content' }]),
    tar('a long name that escapes', ['archive_path_escape'], () => [
      { name: '././@LongLink', type: 'L', data: `${'../'.repeat(60)}etc/passwd\0` },
      { name: 'short', data: 'x' },
    ]),
    tar('a PAX path that escapes', ['archive_path_escape'], () => [
      { name: 'pax', type: 'x', data: paxRecord('path', '../../escape') },
      { name: 'short', data: 'x' },
    ]),
    tar('a PAX size that lies', ['archive_damaged', 'archive_bomb'], () => [
      { name: 'pax', type: 'x', data: paxRecord('size', '99999999999') },
      { name: 'short', data: 'x' },
    ]),
    tar('a PAX record that is none', ['archive_damaged'], () => [
      { name: 'pax', type: 'x', data: '99999 path=x\n' },
      { name: 'short', data: 'x' },
    ]),
    tar('a PAX record of no length', ['archive_damaged'], () => [
      { name: 'pax', type: 'x', data: '0 path=x\n' },
      { name: 'short', data: 'x' },
    ]),
    tar('a name of a megabyte', ['archive_bad_name'], () => [
      { name: 'long', type: 'L', data: 'x'.repeat(MEBIBYTE) },
      { name: 'a', data: '' },
    ]),
    tar('a thousand long names in a row', [], () => [
      ...Array.from({ length: 1000 }, (_, index) => ({ name: 'long', type: 'L', data: `name-${index}\0` })),
      { name: 'a', data: 'x' },
    ]),
    tar('a size of 8 EiB', ['archive_damaged'], () => [
      { name: 'big', size: Buffer.from([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) },
    ]),
    tar('a size below zero', ['archive_damaged'], () => [{ name: 'big', size: Buffer.alloc(12, 0xff) }]),
    tar('a size that is no number', ['archive_damaged'], () => [{ name: 'big', size: '00000zzzz11\0' }]),
    tar('a size beyond the end', ['archive_damaged'], () => [{ name: 'big', size: '00010000000\0', data: 'x' }]),
    tar('a wrong checksum in its second header', ['archive_damaged'], () => [
      { name: 'a', data: 'x' },
      { name: 'b', data: 'x', hasWrongChecksum: true },
    ]),
    { what: 'tar: no end', fileName: 'a.tar', content: () => makeTar([{ name: 'a', data: 'x' }], false), reasons: ['archive_damaged'] },
    tar('15,000 entries', ['archive_too_many_entries'], () => Array.from({ length: 15_000 }, (_, index) => ({ name: `${index}` }))),
    tar('the same name twice', ['archive_duplicate_name'], () => [
      { name: 'a', data: '1' },
      { name: 'A', data: '2' },
    ]),
  ];
}

function streams(): HostileFile[] {
  const bomb = (): Buffer => gzipSync(Buffer.alloc(128 * MEBIBYTE));
  const twice = (): Buffer => gzipSync(gzipSync(gzipSync(gzipSync(Buffer.from('hello')))));
  return [
    { what: 'gzip: 128 MiB of zeros', fileName: 'a.gz', content: bomb, reasons: ['archive_bomb'] },
    {
      what: 'gzip: a bomb of ten members',
      fileName: 'a.gz',
      content: () => Buffer.concat(Array.from({ length: 10 }, bomb)),
      reasons: ['archive_bomb'],
    },
    { what: 'gzip: four deep', fileName: 'a.gz', content: twice, reasons: ['archive_nested_too_deep'] },
    {
      what: 'gzip: cut off',
      fileName: 'a.gz',
      content: () => gzipSync('hello'.repeat(9999)).subarray(0, 60),
      reasons: ['archive_damaged'],
    },
    { what: 'gzip: a wrong checksum', fileName: 'a.gz', content: () => flipped(gzipSync('hello'), -6), reasons: ['archive_damaged'] },
    {
      what: 'gzip: garbage after its magic',
      fileName: 'a.gz',
      content: () => Buffer.from('1f8b08ffffffffffffffffffffff', 'hex'),
      reasons: ['archive_damaged'],
    },
    {
      what: 'zstd: 128 MiB of zeros',
      fileName: 'a.zst',
      content: () => zstdCompressSync(Buffer.alloc(128 * MEBIBYTE)),
      reasons: ['archive_bomb'],
    },
    {
      what: 'zstd: a bomb in a second frame',
      fileName: 'a.zst',
      content: () => Buffer.concat([zstdCompressSync(Buffer.from('harmless')), zstdCompressSync(Buffer.alloc(128 * MEBIBYTE))]),
      reasons: ['archive_bomb'],
    },
    {
      what: 'zstd: cut off',
      fileName: 'a.zst',
      content: () => zstdCompressSync(Buffer.from('hello'.repeat(999))).subarray(0, 20),
      reasons: ['archive_damaged'],
    },
    {
      what: 'tar.gz: escapes',
      fileName: 'a.tgz',
      content: () => gzipSync(makeTar([{ name: '../x', data: 'x' }])),
      reasons: ['archive_path_escape'],
    },
    {
      what: 'tar.gz: a bomb',
      fileName: 'a.tar.gz',
      content: () => gzipSync(makeTar([{ name: 'zeros', data: Buffer.alloc(96 * MEBIBYTE) }])),
      reasons: ['archive_bomb'],
    },
    {
      what: '7z',
      fileName: 'a.7z',
      content: () => Buffer.from(`377abcaf271c0004${'00'.repeat(64)}`, 'hex'),
      reasons: ['archive_unsupported'],
    },
    {
      what: '7z whose header lies',
      fileName: 'a.7z',
      content: () => Buffer.from(`377abcaf271c0004${'ff'.repeat(64)}`, 'hex'),
      reasons: ['archive_unsupported'],
    },
    {
      what: 'rar',
      fileName: 'a.rar',
      content: () => Buffer.from(`526172211a070100${'00'.repeat(64)}`, 'hex'),
      reasons: ['archive_unsupported'],
    },
    {
      what: 'xz',
      fileName: 'a.xz',
      content: () => Buffer.from(`fd377a585a000004${'00'.repeat(64)}`, 'hex'),
      reasons: ['archive_unsupported'],
    },
    {
      what: 'bzip2',
      fileName: 'a.bz2',
      content: () => Buffer.from(`425a6839314159265359${'00'.repeat(64)}`, 'hex'),
      reasons: ['archive_unsupported'],
    },
    { what: 'a zip called tar', fileName: 'a.tar', content: () => makeZip([hello]), reasons: ['extension_mismatch'] },
    { what: 'a tar called zip', fileName: 'a.zip', content: () => makeTar([{ name: 'a', data: 'x' }]), reasons: ['extension_mismatch'] },
    { what: 'zlib called zip', fileName: 'a.zip', content: () => deflateSync('hello'), reasons: ['extension_mismatch'] },
  ];
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 0xff;
  return copy;
}

/** Cut off and with single bytes changed, at many places: each must be answered, whatever the answer. */
function mutants(): HostileFile[] {
  const whole = makeZip([hello, { name: 'b/c.txt', data: 'x'.repeat(3000) }, { name: 'stored', data: 'y'.repeat(100), method: 0 }]);
  const cuts = Array.from({ length: 12 }, (_, index): HostileFile => {
    const length = Math.floor((whole.length * (index + 1)) / 13);
    return {
      what: `zip: cut off after ${length} bytes`,
      fileName: 'a.zip',
      content: () => whole.subarray(0, length),
      reasons: ['archive_damaged'],
    };
  });
  return cuts;
}

export function hostileArchives(): readonly HostileFile[] {
  return [...zipNames(), ...tarNames(), ...zipBombs(), ...zipLies(), ...tars(), ...streams(), ...mutants()];
}
