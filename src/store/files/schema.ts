import type { ColumnType } from 'kysely';
import type { FileChecks, FileReason } from '../../contracts/files/file.ts';
import type { FileStateName } from '../../contracts/pure/files.ts';
import type { Json, JsonRecord, NullableJson } from '../schema.ts';

export interface FileColumn {
  readonly name: string;
  readonly type: string;
}

export interface FileTable {
  id: string;
  tenant_id: string;
  state: FileStateName;
  name: string | null;
  declared_type: string | null;
  media_type: string | null;
  size_bytes: number | null;
  sha256: string | null;
  object_name: string | null;
  source: string | null;
  source_etag: ColumnType<string | null, string | null | undefined, string | null>;
  reasons: ColumnType<readonly FileReason[], string | undefined, string>;
  checks: NullableJson<FileChecks>;
  /** Of a table that was made here, if there are not too many. */
  columns: ColumnType<readonly FileColumn[] | null, string | null | undefined, string | null>;
  reserved_bytes: ColumnType<number, number | undefined, number>;
  owner_subject: string | null;
  created_by: string;
  metadata: Json<JsonRecord>;
  start_fields: Json<JsonRecord>;
  operation_id: string | null;
  created_at: Date;
  updated_at: Date;
}

export interface UploadTable {
  id: string;
  tenant_id: string;
  state: 'open' | 'complete' | 'terminated' | 'expired';
  offset_bytes: ColumnType<number, number | undefined, number>;
  length_bytes: number | null;
  metadata: string | null;
  segments: ColumnType<readonly { readonly epoch: number; readonly firstByte: number }[], string | undefined, string>;
  lock: string | null;
  lock_until: Date | null;
  release_asked: ColumnType<boolean, boolean | undefined, boolean>;
  sha256: string | null;
  expires_at: Date;
  created_at: Date;
  updated_at: Date;
}

export interface FileUsageTable {
  tenant_id: string;
  bytes: ColumnType<number, number | undefined, number>;
}

export interface FileTransformTable {
  id: string;
  tenant_id: string;
  digest: string;
  plan: NullableJson<JsonRecord>;
  output_id: string;
  rejects_id: string;
  profile_id: string;
  page_id: string;
  fence: number;
  ended_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  created_at: Date;
}

export interface FileTransformChunkTable {
  transform_id: string;
  number: number;
  tenant_id: string;
  first_byte: number;
  end_byte: number;
  first_line: number;
  end_line: number;
  is_last: boolean;
  rows: number;
  rejected: number;
  has_part: boolean;
  has_rejects: boolean;
  done_at: Date;
}

export interface FileSecretTable {
  tenant_id: string;
  secret: Buffer;
  created_at: Date;
}
