import type { ColumnType, JSONColumnType } from 'kysely';
import type { EffectState } from '../contracts/kinds.ts';
import type { OperationError, OperationStatus } from '../contracts/pure/operations.ts';
import type { CheckoutTables } from './checkout/schema.ts';
import type {
  FileSecretTable,
  FileTable,
  FileTransformChunkTable,
  FileTransformTable,
  FileUsageTable,
  UploadTable,
} from './files/schema.ts';

/** One target of `notify`, with the mail to it as far as it is known before the operation has ended. */
export interface StoredNotice {
  readonly email?: string | undefined;
  readonly userId?: string | undefined;
  /** Of the audit row that says that the user had no address. */
  readonly skippedId: string;
  /** What `accept_operation` takes; the closing transaction adds input and time. */
  readonly accept: JsonRecord;
}

/** The tables as Kysely sees them; migrations/ is the truth, and a test compares the two. */
export interface Database extends CheckoutTables {
  tenant: TenantTable;
  api_key: ApiKeyTable;
  app_user: AppUserTable;
  operation: OperationTable;
  dispatch: DispatchTable;
  effect: EffectTable;
  stream: StreamTable;
  stream_event: StreamEventTable;
  timeline: TimelineTable;
  event: EventTable;
  event_position: EventPositionTable;
  subject_key: SubjectKeyTable;
  audit_entry: AuditEntryTable;
  idempotency: IdempotencyTable;
  suppression: SuppressionTable;
  email_secret: EmailSecretTable;
  email_attachment: EmailAttachmentTable;
  file: FileTable;
  upload: UploadTable;
  file_usage: FileUsageTable;
  file_secret: FileSecretTable;
  file_transform: FileTransformTable;
  file_transform_chunk: FileTransformChunkTable;
  rate_count: RateCountTable;
  email_route: EmailRouteTable;
}

export type Json<T> = ColumnType<T, string, string>;
export type NullableJson<T> = ColumnType<T | null, string | null | undefined, string | null>;
export type JsonRecord = Readonly<Record<string, unknown>>;

interface RateCountTable {
  bucket: string;
  ends_at: Date;
  hits: number;
}

interface TenantTable {
  id: string;
  name: string;
  created_at: Date;
  updated_at: Date;
  deleted_at: Date | null;
}

/** Keys of applications; tokens of end users; links that open a session of our own pages, and the sessions. */
export type ApiKeyKind = 'key' | 'platform' | 'token' | 'session_link' | 'session';

interface ApiKeyTable {
  id: string;
  tenant_id: string | null;
  kind: ApiKeyKind;
  secret_hash: Buffer;
  name: string;
  scopes: string[];
  subject: string | null;
  resources: string[] | null;
  created_at: Date;
  expires_at: Date | null;
  revoked_at: Date | null;
  last_used_at: Date | null;
  /** The key that this one ends with. */
  made_by: string | null;
}

interface AppUserTable {
  tenant_id: string;
  id: string;
  email: string | null;
  time_zone: string | null;
  locale: string | null;
  attributes: JSONColumnType<JsonRecord>;
  created_at: Date;
  updated_at: Date;
}

interface OperationTable {
  id: string;
  tenant_id: string;
  kind: string;
  status: OperationStatus;
  phase: string;
  message: string | null;
  progress: NullableJson<{ done: number; total?: number; unit: string }>;
  input: Json<JsonRecord>;
  result: NullableJson<JsonRecord>;
  error: NullableJson<OperationError>;
  tags: string[];
  metadata: Json<JsonRecord>;
  notify: Json<readonly StoredNotice[]>;
  priority: number;
  owner_subject: string | null;
  created_by: string;
  natural_key: string | null;
  root_id: string;
  retry_of: string | null;
  attempt: number;
  workflow_id: string;
  run_id: string | null;
  start_at: Date | null;
  expires_at: Date | null;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  updated_at: Date;
  checked_at: Date | null;
  cancel_requested_at: Date | null;
  cancel_rejected: string | null;
  stuck: NullableJson<{ reason: string; since: string }>;
  paused: boolean;
}

interface DispatchTable {
  id: string;
  tenant_id: string;
  /** Null: the workflow is no operation's. */
  operation_id: string | null;
  workflow_id: string;
  workflow_type: string;
  task_queue: string;
  verb: 'start' | 'signal' | 'cancel';
  name: string | null;
  payload: Json<JsonRecord>;
  priority: number;
  due_at: Date;
  lease_until: Date | null;
  attempts: ColumnType<number, number | undefined, number>;
  last_error: string | null;
  created_at: Date;
  delivered_at: Date | null;
  outcome: string | null;
}

interface EffectTable {
  tenant_id: string;
  key: string;
  root_id: string;
  operation_id: string;
  step: string;
  generation: number;
  state: EffectState;
  fence: number;
  until: Date | null;
  request_digest: string;
  response: NullableJson<JsonRecord>;
  /** How often it was done again without knowing whether it had happened. */
  repeats: ColumnType<number, number | undefined, number>;
  created_at: Date;
  updated_at: Date;
}

interface StreamTable {
  id: string;
  tenant_id: string;
  seq: ColumnType<number, number, number>;
  progress: NullableJson<JsonRecord>;
  ended: ColumnType<boolean, boolean | undefined, boolean>;
  watched_until: Date | null;
}

interface StreamEventTable {
  tenant_id: string;
  stream_id: string;
  seq: number;
  type: 'step' | 'done';
  data: Json<JsonRecord>;
  created_at: Date;
}

interface TimelineTable {
  id: string;
  tenant_id: string;
  operation_id: string;
  run_id: string;
  activity_id: string;
  activity: string;
  attempt: number;
  started_at: Date;
  finished_at: Date | null;
  outcome: 'succeeded' | 'failed' | 'cancelled' | null;
  error: NullableJson<{ type: string; message: string }>;
}

interface EventTable {
  id: string;
  tenant_id: string;
  type: string;
  operation_id: string | null;
  data: Json<JsonRecord>;
  created_at: Date;
  position: number | null;
}

interface EventPositionTable {
  only_row: boolean;
  position: number;
}

interface SubjectKeyTable {
  tenant_id: string;
  subject: string;
  secret: Buffer;
  created_at: Date;
}

interface AuditEntryTable {
  id: string;
  tenant_id: string;
  at: Date;
  actor: string;
  key_id: string | null;
  action: string;
  target: string;
  operation_id: string | null;
  subject: string;
  before_hmac: Buffer | null;
  after_hmac: Buffer | null;
  details: ColumnType<JsonRecord, string | undefined, string>;
}

interface IdempotencyTable {
  tenant_id: string;
  key: string;
  digest: string;
  status: number;
  object_type: string;
  object_id: string;
  created_at: Date;
}

interface SuppressionTable {
  id: string;
  tenant_id: string;
  address: string;
  scope: 'all' | 'bulk';
  reason: 'unsubscribed' | 'bounced' | 'complained' | 'manual';
  created_at: Date;
  updated_at: Date;
  expires_at: Date | null;
}

interface EmailSecretTable {
  tenant_id: string;
  secret: Buffer;
  created_at: Date;
}

interface EmailAttachmentTable {
  tenant_id: string;
  sha256: string;
  content: Buffer;
  created_at: Date;
}

interface EmailRouteTable {
  route: string;
  strikes: number;
  paused_until: Date;
  eased: boolean;
}
