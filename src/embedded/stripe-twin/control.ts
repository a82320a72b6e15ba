import { finishAuthentication } from './confirming.ts';
import type { Engine } from './engine.ts';
import { NO_FAULTS, REQUEST_FAULTS, WEBHOOK_FAULTS } from './faults.ts';
import type { FaultPlan, RequestFault, WebhookFaultKind } from './faults.ts';
import { approvalPage, indexPage, messagePage } from './pages.ts';

const MAX_ENTRIES = 5000;

/** What a control route answers. */
export interface ControlReply {
  readonly status: number;
  readonly type: 'json' | 'html';
  readonly body: string;
  readonly location?: string;
}

/** A request to `/_twin/…` or `/`. */
export interface ControlRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  /** It came with the account's secret key. */
  readonly isTrusted: boolean;
}

/** What Stripe does not have: pages of the bank, faults, the clock, the journal. Undefined: there is no such route. */
export async function serveControl(engine: Engine, request: ControlRequest): Promise<ControlReply | undefined> {
  const name = `${request.method} ${request.path}`;
  if (name === 'GET /') return html(200, indexPage(engine.state.all('payment_intent')));
  if (request.path.startsWith('/_twin/authenticate/')) return authenticate(engine, request);
  if (!request.path.startsWith('/_twin/')) return undefined;
  if (!request.isTrusted) return json(401, { error: 'Give the secret key of the simulated account as a bearer token.' });
  switch (name) {
    case 'GET /_twin/audit':
      return audit(engine, request.query);
    case 'GET /_twin/clock':
      return json(200, clockOf(engine));
    case 'POST /_twin/clock':
      return advance(engine, request.body);
    case 'GET /_twin/faults':
      return json(200, engine.faultPlan);
    case 'PUT /_twin/faults':
      return plan(engine, request.body);
    case 'DELETE /_twin/faults':
      return setPlan(engine, NO_FAULTS);
    default:
      return undefined;
  }
}

/** Everything that ever happened, in its order, for a judge: the product never reads it. */
async function audit(engine: Engine, query: URLSearchParams): Promise<ControlReply> {
  await engine.flushed();
  const after = Number(query.get('after') ?? 0);
  const limit = Math.min(Number(query.get('limit') ?? MAX_ENTRIES), MAX_ENTRIES);
  if (!Number.isInteger(after) || !Number.isInteger(limit) || after < 0 || limit < 1) {
    return json(400, { error: 'after and limit are whole numbers.' });
  }
  const entries = engine.entries.slice(after, after + limit);
  return json(200, { simulator: 'stripe-twin', entries, hasMore: after + entries.length < engine.entries.length });
}

async function advance(engine: Engine, body: string): Promise<ControlReply> {
  const wanted = parse(body);
  const seconds = typeof wanted === 'object' && wanted !== null && 'advanceSeconds' in wanted ? wanted.advanceSeconds : undefined;
  if (typeof seconds !== 'number' || !(seconds > 0) || seconds > 400 * 86_400) {
    return json(400, { error: 'Send { "advanceSeconds": n } with n above 0 and up to 400 days.' });
  }
  engine.advance(Math.round(seconds * 1000));
  await engine.flushed();
  return json(200, clockOf(engine));
}

function clockOf(engine: Engine): object {
  return { now: new Date(engine.clock.nowMs()).toISOString(), offsetMs: engine.clock.offsetMs };
}

async function plan(engine: Engine, body: string): Promise<ControlReply> {
  const checked = checkPlan(parse(body));
  return typeof checked === 'string' ? json(400, { error: checked }) : setPlan(engine, checked);
}

async function setPlan(engine: Engine, wanted: FaultPlan): Promise<ControlReply> {
  const work = engine.begin();
  work.put('fault_plan', wanted);
  engine.commit(work, { cause: 'control' });
  await engine.flushed();
  return json(200, wanted);
}

/** The plan, or what is wrong with it. */
function checkPlan(value: unknown): FaultPlan | string {
  if (typeof value !== 'object' || value === null) return 'Send a plan as JSON.';
  const { seed = '', requests = [], webhooks = {}, lateMs = NO_FAULTS.lateMs } = value as Readonly<Record<string, unknown>>; // its values are checked below
  if (
    typeof seed !== 'string' ||
    !Array.isArray(requests) ||
    typeof webhooks !== 'object' ||
    webhooks === null ||
    typeof lateMs !== 'number'
  ) {
    return 'A plan has seed (text), requests (list), webhooks (object) and lateMs (number).';
  }
  const wrong = requests.find((fault: unknown) => !isRequestFault(fault));
  if (wrong !== undefined) return `No fault of requests: ${JSON.stringify(wrong)}. Kinds: ${REQUEST_FAULTS.join(', ')}.`;
  const wrongShare = Object.entries(webhooks).find(([kind, share]) => !WEBHOOK_FAULTS.some((known) => known === kind) || !isShare(share));
  if (wrongShare !== undefined)
    return `No fault of webhooks: ${wrongShare[0]}. Kinds: ${WEBHOOK_FAULTS.join(', ')}, each with a share from 0 to 1.`;
  return {
    id: 'plan',
    seed,
    requests: requests as readonly RequestFault[], // all were checked above
    webhooks: webhooks as Readonly<Partial<Record<WebhookFaultKind, number>>>, // likewise
    lateMs,
  };
}

function isRequestFault(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, share, route, attempts, delayMs } = value as Readonly<Record<string, unknown>>; // looked at one by one
  const isCount = (number: unknown) => number === undefined || (Number.isInteger(number) && Number(number) >= 0);
  return (
    REQUEST_FAULTS.some((known) => known === kind) &&
    isShare(share) &&
    (route === undefined || typeof route === 'string') &&
    isCount(attempts) &&
    isCount(delayMs)
  );
}

function isShare(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 1;
}

/** `/_twin/authenticate/{intent}/{token}`: the token is what makes the page secret. */
async function authenticate(engine: Engine, { method, path, body }: ControlRequest): Promise<ControlReply> {
  const [, , , intentId = '', token = ''] = path.split('/');
  const waiting = engine.state.get('authentication', intentId);
  const intent = engine.state.get('payment_intent', intentId);
  if (waiting === undefined || intent === undefined || waiting.token !== token || intent.status !== 'requires_action') {
    return html(404, messagePage('Nothing to approve', 'This payment was answered already, or there is none.'));
  }
  if (method === 'GET') return html(200, approvalPage(intent));
  const answer = new URLSearchParams(body).get('answer');
  if (method !== 'POST' || (answer !== 'approve' && answer !== 'fail'))
    return html(400, messagePage('No answer', 'Approve or refuse the payment.'));
  const work = engine.begin();
  const after = finishAuthentication(work, intentId, answer === 'approve');
  engine.commit(work, { cause: 'control' });
  await engine.flushed();
  const hasFailed = after.status === 'requires_payment_method';
  if (waiting.returnUrl === null) return html(200, messagePage(hasFailed ? 'Not paid' : 'Approved', 'You can close this page.'));
  const back = new URL(waiting.returnUrl);
  back.searchParams.set('payment_intent', intentId);
  back.searchParams.set('payment_intent_client_secret', intent.client_secret ?? '');
  back.searchParams.set('redirect_status', hasFailed ? 'failed' : 'succeeded');
  return { status: 303, type: 'html', body: '', location: back.href };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function json(status: number, body: object): ControlReply {
  return { status, type: 'json', body: JSON.stringify(body) };
}

function html(status: number, body: string): ControlReply {
  return { status, type: 'html', body };
}
