/** Extensions and media types that mean the same content. The first type is the one that we serve it with. */
export interface TypeGroup {
  readonly types: readonly [string, ...string[]];
  readonly extensions: readonly string[];
  /** Known by being text; which one, only the name tells. */
  readonly isText?: boolean;
}

const text = (types: TypeGroup['types'], ...extensions: readonly string[]): TypeGroup => ({ types, extensions, isText: true });
const binary = (types: TypeGroup['types'], ...extensions: readonly string[]): TypeGroup => ({ types, extensions });
const OPEN_XML = 'application/vnd.openxmlformats-officedocument';
const OPEN_DOCUMENT = 'application/vnd.oasis.opendocument';

export const TYPE_GROUPS: readonly TypeGroup[] = [
  // Spreadsheet programs make browsers declare tables as theirs.
  text(['text/csv', 'application/csv', 'text/x-csv', 'application/vnd.ms-excel'], 'csv'),
  text(['text/tab-separated-values', 'text/tsv'], 'tsv', 'tab'),
  text(['application/json', 'text/json', 'application/geo+json', 'application/ld+json'], 'json', 'geojson', 'map', 'webmanifest'),
  text(['application/x-ndjson', 'application/jsonl', 'application/jsonlines', 'application/x-jsonlines'], 'jsonl', 'ndjson'),
  text(['image/svg+xml'], 'svg'),
  text(['text/html', 'application/xhtml+xml'], 'html', 'htm', 'xhtml'),
  text(['application/xml', 'text/xml', 'application/rss+xml', 'application/atom+xml'], 'xml', 'xsd', 'xsl', 'rss', 'atom', 'gpx', 'kml'),
  text(['text/markdown'], 'md', 'markdown'),
  text(['text/css'], 'css'),
  text(['text/javascript', 'application/javascript'], 'js', 'mjs', 'cjs'),
  text(['application/yaml', 'text/yaml', 'application/x-yaml'], 'yaml', 'yml'),
  text(['text/calendar'], 'ics'),
  text(['text/vcard'], 'vcf'),
  text(['text/plain'], 'txt', 'text', 'log', 'ini', 'conf', 'sql'),
  binary(['image/png'], 'png'),
  binary(['image/jpeg', 'image/jpg', 'image/pjpeg'], 'jpg', 'jpeg', 'jpe', 'jfif'),
  binary(['image/gif'], 'gif'),
  binary(['image/webp'], 'webp'),
  binary(['image/avif'], 'avif'),
  binary(['image/heic', 'image/heif', 'image/heic-sequence', 'image/heif-sequence'], 'heic', 'heif'),
  binary(['image/bmp', 'image/x-ms-bmp'], 'bmp', 'dib'),
  binary(['image/tiff'], 'tif', 'tiff'),
  binary(['image/x-icon', 'image/vnd.microsoft.icon'], 'ico'),
  binary(['application/pdf', 'application/x-pdf'], 'pdf'),
  binary(['application/zip', 'application/x-zip-compressed', 'application/x-zip'], 'zip'),
  binary(['application/gzip', 'application/x-gzip'], 'gz', 'tgz', 'gzip'),
  binary(['application/x-tar', 'application/tar'], 'tar'),
  binary(['application/zstd'], 'zst', 'zstd', 'tzst'),
  binary(['application/x-7z-compressed'], '7z'),
  binary(['application/x-rar-compressed', 'application/vnd.rar'], 'rar'),
  binary(['application/x-bzip2'], 'bz2', 'tbz2'),
  binary(['application/x-xz'], 'xz', 'txz'),
  binary([`${OPEN_XML}.wordprocessingml.document`, `${OPEN_XML}.wordprocessingml.template`], 'docx', 'dotx'),
  binary([`${OPEN_XML}.spreadsheetml.sheet`, `${OPEN_XML}.spreadsheetml.template`], 'xlsx', 'xltx'),
  binary(
    [`${OPEN_XML}.presentationml.presentation`, `${OPEN_XML}.presentationml.template`, `${OPEN_XML}.presentationml.slideshow`],
    'pptx',
    'potx',
    'ppsx',
  ),
  binary(['application/vnd.ms-word.document.macroenabled.12', 'application/vnd.ms-word.document.macroEnabled.12'], 'docm', 'dotm'),
  binary(['application/vnd.ms-excel.sheet.macroenabled.12', 'application/vnd.ms-excel.sheet.macroEnabled.12'], 'xlsm', 'xltm', 'xlam'),
  binary(['application/vnd.ms-powerpoint.presentation.macroenabled.12'], 'pptm', 'potm', 'ppsm'),
  binary([`${OPEN_DOCUMENT}.text`], 'odt'),
  binary([`${OPEN_DOCUMENT}.spreadsheet`], 'ods'),
  binary([`${OPEN_DOCUMENT}.presentation`], 'odp'),
  binary(['application/epub+zip'], 'epub'),
  binary(
    ['application/x-cfb', 'application/msword', 'application/vnd.ms-excel', 'application/vnd.ms-powerpoint'],
    'doc',
    'xls',
    'ppt',
    'msg',
  ),
  binary(['application/rtf', 'text/rtf'], 'rtf'),
  binary(['video/mp4', 'application/mp4', 'audio/mp4', 'audio/x-m4a', 'video/x-m4v', 'video/quicktime'], 'mp4', 'm4v', 'm4a', 'mov', 'qt'),
  binary(['video/matroska', 'video/x-matroska', 'video/webm', 'audio/webm', 'audio/matroska', 'audio/x-matroska'], 'webm', 'mkv', 'mka'),
  binary(['video/x-msvideo', 'video/vnd.avi'], 'avi'),
  binary(['audio/mpeg', 'audio/mp3'], 'mp3'),
  binary(['audio/wav', 'audio/x-wav', 'audio/vnd.wave'], 'wav'),
  binary(['audio/ogg', 'video/ogg', 'application/ogg', 'audio/ogg; codecs=opus'], 'ogg', 'oga', 'ogv', 'opus'),
  binary(['audio/flac', 'audio/x-flac'], 'flac'),
  binary(['application/vnd.apache.parquet', 'application/x-parquet'], 'parquet'),
  binary(['application/vnd.apache.arrow.file', 'application/vnd.apache.arrow.stream'], 'arrow', 'feather'),
  binary(['application/vnd.sqlite3', 'application/x-sqlite3'], 'sqlite', 'sqlite3', 'db'),
  binary(['font/ttf', 'font/sfnt'], 'ttf'),
  binary(['font/otf'], 'otf'),
  binary(['font/woff'], 'woff'),
  binary(['font/woff2'], 'woff2'),
  binary(['application/java-archive'], 'jar', 'war'),
];

export const OCTETS = 'application/octet-stream';

/** Content that runs when it is opened, by type and by extension. */
export const PROGRAM_TYPES: ReadonlySet<string> = new Set([
  'application/x-msdownload',
  'application/x-elf',
  'application/x-mach-binary',
  'application/java-vm',
  'application/java-archive',
  'application/vnd.android.package-archive',
  'application/x-ms-shortcut',
  'application/x-google-chrome-extension',
  'application/x-shockwave-flash',
  'application/x-deb',
  'application/x-rpm',
  'application/x-apple-diskimage',
]);
export const PROGRAM_EXTENSIONS: ReadonlySet<string> = new Set(
  'apk bat chm cmd com cpl dll exe gadget hta inf ins jar jse lnk msc msi msp mst pif ps1 psm1 reg scf scr sct url vb vbe vbs ws wsc wsf wsh'.split(
    ' ',
  ),
);

export function groupOfType(type: string): TypeGroup | undefined {
  const [bare = ''] = type.toLowerCase().split(';');
  return TYPE_GROUPS.find(({ types }) => types.some((known) => known.toLowerCase() === bare.trim()));
}

export function groupOfExtension(extension: string): TypeGroup | undefined {
  return TYPE_GROUPS.find(({ extensions }) => extensions.includes(extension));
}
