import { crc32, deflateSync } from 'node:zlib';
import type { CheckReasonCode } from '../../../src/contracts/files/reasons.ts';
import type { HostileFile } from './file.ts';
import { makeZip } from './zip-maker.ts';

const MEBIBYTE = 1024 * 1024;

/** A picture of one pixel, which may say that it has more. */
export function png(width = 1, height = 1): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, checksum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(2))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function gif(width = 1, height = 1): Buffer {
  const screen = Buffer.alloc(4);
  screen.writeUInt16LE(width, 0);
  screen.writeUInt16LE(height, 2);
  return Buffer.concat([Buffer.from('GIF89a'), screen, Buffer.from('800000000000ffffff2c00000000010001000002024401003b', 'hex')]);
}

function jpeg(width = 1, height = 1): Buffer {
  const frame = Buffer.from('ffc0001108000000000301110002110103110100', 'hex').subarray(0, 19);
  frame.writeUInt16BE(height, 5);
  frame.writeUInt16BE(width, 7);
  return Buffer.concat([
    Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'),
    frame,
    Buffer.from('ffda0008010100003f00d2cf20ffd9', 'hex'),
  ]);
}

function bmp(width: number, height: number): Buffer {
  const bytes = Buffer.alloc(54);
  bytes.write('BM');
  bytes.writeUInt32LE(54, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  return bytes;
}

function images(): HostileFile[] {
  const of = ([what, fileName]: readonly [string, string], content: () => Buffer, reasons: readonly CheckReasonCode[]): HostileFile => ({
    what: `image: ${what}`,
    fileName,
    content,
    reasons,
  });
  const tail = (): Buffer => makeZip([{ name: 'Evil.class', data: 'x' }]);
  return [
    of(['a plain PNG', 'a.png'], () => png(), []),
    of(['a plain GIF', 'a.gif'], () => gif(), []),
    of(['a plain JPEG', 'a.jpg'], () => jpeg(), []),
    of(['a PNG of 60,000 × 60,000', 'a.png'], () => png(60_000, 60_000), ['image_too_large']),
    of(['a PNG of 2^31 × 2^31', 'a.png'], () => png(2 ** 31 - 1, 2 ** 31 - 1), ['image_too_large']),
    of(['a GIF of 65,535 × 65,535', 'a.gif'], () => gif(65_535, 65_535), ['image_too_large']),
    of(['a JPEG of 65,535 × 65,535', 'a.jpg'], () => jpeg(65_535, 65_535), ['image_too_large']),
    of(['a BMP of 100,000 × 100,000', 'a.bmp'], () => bmp(100_000, -100_000), ['image_too_large']),
    of(['GIFAR', 'a.gif'], () => Buffer.concat([gif(), tail()]), ['polyglot']),
    of(['a JPEG with a zip', 'a.jpg'], () => Buffer.concat([jpeg(), tail()]), ['polyglot']),
    of(['a PNG with a zip', 'a.png'], () => Buffer.concat([png(), tail()]), ['polyglot']),
    of(
      ['a PNG with a zip and a comment after it', 'a.png'],
      () => Buffer.concat([png(), makeZip([{ name: 'a', data: 'x' }], { comment: Buffer.alloc(60_000, 'c') })]),
      ['polyglot'],
    ),
    of(
      ['a GIF that is a script', 'a.gif'],
      () => Buffer.concat([Buffer.from('GIF89a/*'), Buffer.alloc(20), Buffer.from('*/=1;<script>alert(1)</script>;')]),
      ['polyglot'],
    ),
    of(['a GIF that is PHP', 'a.gif'], () => Buffer.concat([gif().subarray(0, -1), Buffer.from('<?php system($_GET[0]); ?>;')]), [
      'polyglot',
    ]),
    of(['a PNG that is a PDF', 'a.png'], () => Buffer.concat([png().subarray(0, 33), Buffer.from('%PDF-1.4\n'), png().subarray(33)]), [
      'polyglot',
    ]),
    of(
      ['a JPEG that is a page', 'a.jpg'],
      () => Buffer.concat([jpeg().subarray(0, 20), Buffer.from('<html><body onload=alert(1)>'), jpeg().subarray(20)]),
      ['polyglot'],
    ),
    of(['a PNG cut off', 'a.png'], () => png().subarray(0, 50), ['truncated']),
    of(['a GIF cut off', 'a.gif'], () => gif().subarray(0, 20), ['truncated']),
    of(['a JPEG cut off', 'a.jpg'], () => jpeg().subarray(0, -2), ['truncated']),
    of(['eight bytes of PNG', 'a.png'], () => png().subarray(0, 8), ['truncated', 'extension_mismatch']),
    of(
      ['a JPEG of markers that go nowhere', 'a.jpg'],
      () => Buffer.concat([Buffer.from('ffd8ffe0ffff', 'hex'), Buffer.alloc(300_000, 0xff), Buffer.from('ffd9', 'hex')]),
      [],
    ),
    of(
      ['a JPEG of markers of no length', 'a.jpg'],
      () => Buffer.concat([Buffer.from('ffd8', 'hex'), Buffer.from('ffe00000'.repeat(100_000), 'hex'), Buffer.from('ffd9', 'hex')]),
      [],
    ),
    of(['a PNG called JPEG', 'a.jpg'], () => png(), ['extension_mismatch']),
    of(['a GIF called PNG', 'a.png'], () => gif(), ['extension_mismatch']),
    of(['a picture called PDF', 'a.pdf'], () => png(), ['extension_mismatch']),
    {
      what: 'image: declared as text',
      fileName: 'a.png',
      declaredType: 'text/plain',
      content: () => png(),
      reasons: ['declared_type_mismatch'],
    },
    {
      what: 'image: declared as a page',
      fileName: 'a.png',
      declaredType: 'text/html; charset=utf-8',
      content: () => png(),
      reasons: ['declared_type_mismatch'],
    },
    { what: 'image: declared as nothing', fileName: 'a.png', declaredType: 'application/octet-stream', content: () => png(), reasons: [] },
    of(['noise', 'a.png'], () => Buffer.alloc(10_000, 0x17), ['extension_mismatch']),
  ];
}

function programs(): HostileFile[] {
  const of = (what: string, fileName: string, content: Buffer): HostileFile => ({
    what: `program: ${what}`,
    fileName,
    content: () => content,
    reasons: ['executable'],
  });
  const exe = Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200)]);
  const elf = Buffer.concat([Buffer.from('7f454c46020101', 'hex'), Buffer.alloc(200)]);
  return [
    of('of Windows', 'setup.exe', exe),
    of('of Windows as a picture', 'photo.jpg', exe),
    of('of Windows as a PDF', 'invoice.pdf.exe', exe),
    of('of Linux', 'run', elf),
    of('of Linux as text', 'notes.txt', elf),
    of('of macOS', 'app', Buffer.concat([Buffer.from('cffaedfe', 'hex'), Buffer.alloc(200)])),
    of('of Java', 'Evil.class', Buffer.concat([Buffer.from('cafebabe00000034', 'hex'), Buffer.alloc(200)])),
    of('a batch file', 'a.bat', Buffer.from('del *.*')),
    of('a shortcut', 'a.lnk', Buffer.from('text')),
    of('a page that runs', 'a.hta', Buffer.from('x')),
    of('a command after another extension', 'a.txt.cmd', Buffer.from('x')),
  ];
}

function texts(): HostileFile[] {
  const of = ([what, fileName]: readonly [string, string], content: () => Buffer, reasons: readonly CheckReasonCode[]): HostileFile => ({
    what: `text: ${what}`,
    fileName,
    content,
    reasons,
  });
  const deep = (open: string, close: string, levels: number): Buffer => Buffer.from(open.repeat(levels) + close.repeat(levels));
  return [
    of(['nothing', 'a.txt'], () => Buffer.alloc(0), ['empty_file']),
    of(['JSON a hundred thousand deep', 'a.json'], () => deep('[', ']', 100_000), ['json_too_deep']),
    of(['JSON objects a hundred thousand deep', 'a.json'], () => Buffer.from('{"a":'.repeat(100_000)), ['json_too_deep']),
    of(['JSON brackets in a string', 'a.json'], () => Buffer.from(`{"a":"${'['.repeat(100_000)}"}`), []),
    of(['JSON brackets after an escaped quote', 'a.json'], () => Buffer.from(`{"a":"\\"${'['.repeat(10_000)}"}`), []),
    of(['JSON brackets after an escaped backslash', 'a.json'], () => Buffer.from(`{"a":"\\\\",${'['.repeat(10_000)}`), ['json_too_deep']),
    of(
      ['JSON with __proto__', 'a.json'],
      () => Buffer.from('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
      [],
    ),
    of(['JSON of a number of ten megabytes', 'a.json'], () => Buffer.from(`[${'9'.repeat(10 * MEBIBYTE)}]`), []),
    of(['JSON lines, one of them deep', 'a.jsonl'], () => Buffer.concat([Buffer.from('{"a":1}\n'), deep('[', ']', 5000)]), [
      'json_too_deep',
    ]),
    of(['no JSON at all', 'a.json'], () => Buffer.from('<<<<'), ['extension_mismatch']),
    of(['CSV with a field of 4 MiB', 'a.csv'], () => Buffer.from(`a,b\n1,${'x'.repeat(4 * MEBIBYTE)}\n`), ['csv_record_too_long']),
    of(['CSV with a quote that never closes', 'a.csv'], () => Buffer.from(`a,b\n1,"${'x,y\n'.repeat(MEBIBYTE)}`), ['csv_record_too_long']),
    of(['CSV of ten million commas', 'a.csv'], () => Buffer.alloc(10_000_000, ','), ['csv_record_too_long']),
    of(['CSV with quotes in the middle of fields', 'a.csv'], () => Buffer.from(`a,b\n${'5" pipe,x\n'.repeat(400_000)}`), []),
    of(['CSV with formulas', 'a.csv'], () => Buffer.from("a,b\n=cmd|' /C calc'!A0,+1\n@SUM(1),-1\n"), []),
    of(['CSV of quotes alone', 'a.csv'], () => Buffer.alloc(MEBIBYTE, '"'), []),
    of(['CSV with NUL', 'a.csv'], () => Buffer.from('a,b\n1,\0\n'), ['extension_mismatch']),
    of(['CSV that is a picture', 'a.csv'], () => png(), ['extension_mismatch']),
    of(['CSV in Latin-1', 'a.csv'], () => Buffer.from('name\nJos\u00e9\n', 'latin1'), []),
    of(['CSV in UTF-16', 'a.csv'], () => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('a,b\n1,2\n', 'utf16le')]), []),
    of(['broken UTF-8', 'a.txt'], () => Buffer.from('c3285fe28228f0288cbcc0afed a080'.replaceAll(' ', ''), 'hex'), []),
    of(['overlong UTF-8', 'a.txt'], () => Buffer.from('c0aec0aec0af2e2e2f', 'hex'), []),
    of(['half a pair in UTF-16', 'a.txt'], () => Buffer.from('fffe00d800d8', 'hex'), []),
    of(['a byte order mark alone', 'a.txt'], () => Buffer.from('efbbbf', 'hex'), []),
    of(['UTF-7', 'a.html'], () => Buffer.from('+ADw-script+AD4-alert(1)+ADw-/script+AD4-'), []),
    of(['a line of 20 MiB', 'a.log'], () => Buffer.alloc(20 * MEBIBYTE, 'x'), []),
    of(['control sequences of terminals', 'a.log'], () => Buffer.from('\u001b]0;evil\u0007\u001b[2J', 'latin1'), ['extension_mismatch']),
    {
      what: 'text: a table declared as JSON',
      fileName: 'a.csv',
      declaredType: 'application/json',
      content: () => Buffer.from('a,b\n'),
      reasons: ['declared_type_mismatch'],
    },
    {
      what: 'text: a table declared by a spreadsheet',
      fileName: 'a.csv',
      declaredType: 'application/vnd.ms-excel',
      content: () => Buffer.from('a,b\n'),
      reasons: [],
    },
    { what: 'text: declared by nonsense', fileName: 'a.csv', declaredType: '\u0000/;;;', content: () => Buffer.from('a,b\n'), reasons: [] },
  ];
}

function names(): HostileFile[] {
  const of = (fileName: string, ...reasons: CheckReasonCode[]): HostileFile => ({
    what: `name: ${JSON.stringify(fileName).slice(0, 40)}`,
    fileName,
    content: () => Buffer.from('hello'),
    reasons,
  });
  return [
    of('../../etc/passwd', 'name_path'),
    of('..\\..\\boot.ini', 'name_path'),
    of('/etc/passwd', 'name_path'),
    of('C:\\evil.txt', 'name_path'),
    of('..', 'name_path'),
    of('.', 'name_path'),
    of('a\0.txt', 'name_bad_characters'),
    of('a.txt\0.png', 'name_bad_characters'),
    of('a\r\nSet-Cookie: x=1.txt', 'name_bad_characters'),
    of('a\u0007.txt', 'name_bad_characters'),
    of('a\u009b.txt', 'name_bad_characters'),
    of('exe.\u202Etxt', 'name_bad_characters'),
    of('a\u2066b\u2069.txt', 'name_bad_characters'),
    of('a\u200bb.txt', 'name_bad_characters'),
    of('\ufeffa.txt', 'name_bad_characters'),
    of('a\ud800.txt', 'name_bad_characters'),
    of('a"b.txt', 'name_bad_characters'),
    of('a<b>.txt', 'name_bad_characters'),
    of('a:stream.txt', 'name_bad_characters', 'name_path'),
    of('a|b?.txt', 'name_bad_characters'),
    of('CON', 'name_reserved'),
    of('con.txt', 'name_reserved'),
    of('LPT1.log', 'name_reserved'),
    of('nul.tar.gz', 'name_reserved'),
    of('COM\u00b9.txt', 'name_reserved'),
    of('a.txt.', 'name_reserved'),
    of('a.txt ', 'name_reserved'),
    of('cafe\u0301.txt', 'name_not_normal'),
    of(`${'x'.repeat(300)}.txt`, 'name_too_long'),
    of(`${'\u4e2d'.repeat(100)}.txt`, 'name_too_long'),
    of('\u6587\u4ef6.txt'),
    of('\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67.txt'),
    of('.hidden'),
    of('no extension'),
    of("O'Brien; DROP TABLE files;--.txt"),
    of('$(touch x).txt'),
    of('-rf.txt'),
    of('%2e%2e%2fescape.txt'),
  ];
}

export function hostileOthers(): readonly HostileFile[] {
  return [...images(), ...programs(), ...texts(), ...names()];
}
