// The demo shop. Plain JavaScript on the public API; every text from outside becomes text, never markup.
import { element, FAULTS, INSTRUMENTS, money, STATES } from './words.js';

const WORDING = '2026-11';
const RENEW_BEFORE_MS = 5 * 60_000;

const byId = (id) => document.getElementById(id);
const state = { token: undefined, renewAt: 0, cart: undefined, order: undefined, news: undefined, recovery: undefined };

function say(text) {
  byId('trouble').textContent = '';
  byId('status').textContent = text;
}

function complain(error) {
  byId('trouble').textContent = error instanceof Error ? error.message : String(error);
}

/** Runs what a person asked for; what goes wrong is said on the page. */
function act(work) {
  return (event) => {
    event?.preventDefault();
    Promise.resolve(work(event)).catch(complain);
  };
}

async function send(method, path, { body, headers = {} } = {}) {
  const response = await fetch(path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(state.token === undefined ? {} : { Authorization: `Bearer ${state.token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.detail ?? `The shop answered with ${response.status}.`), { answer });
  return answer;
}

async function call(method, path, options) {
  await comeIn();
  return send(method, path, options);
}

/** Gets a token, or a fresh one before the old one ends. */
async function comeIn() {
  if (state.token !== undefined && Date.now() < state.renewAt) return;
  state.token = undefined;
  if (state.recovery !== undefined) {
    const { token, expiresAt, cart } = await send('POST', '/v1/cart-recoveries', { body: { token: state.recovery } });
    keepToken(token, expiresAt);
    state.cart = cart;
    return;
  }
  const visitor = localStorage.getItem('visitor') ?? undefined;
  const visit = await send('POST', '/shop/visits', { body: visitor === undefined ? {} : { visitor } });
  localStorage.setItem('visitor', visit.visitor);
  keepToken(visit.token, visit.expiresAt);
  byId('shop-name').textContent = visit.shopName;
}

function keepToken(token, expiresAt) {
  state.token = token;
  state.renewAt = Date.parse(expiresAt) - RENEW_BEFORE_MS;
}

async function newCart(currency) {
  state.cart = await call('POST', '/v1/carts', { body: { currency } });
  localStorage.setItem('cart', state.cart.id);
  showCart();
}

async function showProducts() {
  const currency = byId('currency').value;
  const { data } = await call('GET', '/v1/products?limit=100');
  byId('products').replaceChildren(
    ...data.map((product) => {
      const price = product.prices.find((one) => one.currency === currency);
      const left = product.available === 0 ? 'sold out' : `${product.available} left`;
      const note = price === undefined ? `not sold in ${currency}` : `${money(price.amount, currency)}, ${left}`;
      const button = element(
        'button',
        { type: 'button', disabled: price === undefined || product.available === 0, on: { click: act(() => add(product)) } },
        'Put into the cart',
      );
      button.setAttribute('aria-label', `Put into the cart: ${product.name}`);
      return element('li', {}, element('strong', {}, product.name), element('span', {}, note), button);
    }),
  );
}

async function add(product) {
  const present = state.cart.items.find(({ sku }) => sku === product.sku)?.quantity ?? 0;
  await setQuantity(product.sku, Math.min(99, present + 1));
  say(`${product.name} is in the cart.`);
}

async function setQuantity(sku, quantity) {
  const path = `/v1/carts/${state.cart.id}/items/${encodeURIComponent(sku)}`;
  state.cart = quantity === 0 ? await call('DELETE', path) : await call('PUT', path, { body: { quantity } });
  showCart();
}

function showCart() {
  const { quote, status, items, contact } = state.cart;
  const isOpen = status === 'open';
  const { currency } = quote;
  byId('currency').value = currency;
  byId('cart').replaceChildren(items.length === 0 ? element('p', {}, 'It is empty.') : cartTable(quote, isOpen), ...faults(quote));
  byId('buyer').hidden = !isOpen || items.length === 0;
  byId('payment').hidden = !isOpen || items.length === 0;
  byId('pay-button').disabled = quote.faults.length > 0;
  if (contact !== undefined && state.recovery === undefined) {
    byId('email').value = contact.email;
    byId('agree').checked = contact.consent.reminders;
  }
}

function cartTable(quote, isOpen) {
  const { currency } = quote;
  const rows = quote.lines.map((line) => {
    const input = element('input', { type: 'number', min: '1', max: '99', value: String(line.quantity), disabled: !isOpen });
    input.setAttribute('aria-label', `How many: ${line.name}`);
    input.addEventListener(
      'change',
      act(async () => {
        await setQuantity(line.sku, Number(input.value));
        say(`${line.name}: ${input.value}.`);
      }),
    );
    const remove = element('button', { type: 'button', disabled: !isOpen, on: { click: act(() => setQuantity(line.sku, 0)) } }, 'Remove');
    remove.setAttribute('aria-label', `Remove: ${line.name}`);
    return element(
      'tr',
      {},
      element('th', { scope: 'row' }, line.name),
      element('td', {}, input),
      element('td', { className: 'amount' }, money(line.amount, currency)),
      element('td', {}, remove),
    );
  });
  const total = (title, amount) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row', colSpan: 2 }, title),
      element('td', { className: 'amount' }, money(amount, currency)),
      element('td'),
    );
  const heads = ['Article', 'How many', 'Amount', 'Change'].map((title) => element('th', { scope: 'col' }, title));
  return element(
    'table',
    {},
    element('thead', {}, element('tr', {}, ...heads)),
    element('tbody', {}, ...rows),
    element(
      'tfoot',
      {},
      total('Shipping', quote.shippingAmount),
      total('Tax contained', quote.taxAmount),
      total('Total', quote.totalAmount),
    ),
  );
}

function faults({ faults: found, lines }) {
  const texts = found
    .filter(({ code }) => code !== 'empty')
    .map(({ sku, code }) => {
      const name = lines.find((line) => line.sku === sku)?.name ?? sku;
      return name === undefined ? FAULTS[code] : `${name} ${FAULTS[code]}.`;
    });
  return texts.map((text) => element('p', { className: 'small' }, text));
}

async function saveContact() {
  const consent = byId('agree').checked ? { reminders: true, wording: WORDING } : { reminders: false };
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const contact = { email: byId('email').value, locale: navigator.language, timeZone, consent };
  state.cart = await call('PUT', `/v1/carts/${state.cart.id}/contact`, { body: contact });
  showCart();
  say('Your address is saved.');
}

function showInstruments() {
  byId('instruments').replaceChildren(
    ...INSTRUMENTS.map(([id, title, note], index) => {
      const radio = element('input', { type: 'radio', name: 'instrument', id, value: id, checked: index === 0 });
      return element(
        'p',
        {},
        radio,
        ' ',
        element('label', { htmlFor: id }, `${title} `, element('span', { className: 'small' }, `(${note})`)),
      );
    }),
  );
}

async function pay() {
  const paymentMethod = new FormData(byId('pay')).get('instrument');
  if (state.order?.state === 'needs_payment_method') {
    await call('POST', `/v1/orders/${state.order.id}/payment`, { body: { paymentMethod } });
    say('Trying again.');
    return;
  }
  const { id, quote } = state.cart;
  try {
    const key = `shop-${id}-${state.cart.attempt}`;
    const operation = await call('POST', `/v1/carts/${id}/checkout`, {
      body: { quoteHash: quote.quoteHash, paymentMethod },
      headers: { 'Idempotency-Key': key },
    });
    say('Ordered. What happens is shown below.');
    await follow(operation.rootId);
  } catch (error) {
    if (error.answer?.code !== 'cart_changed') throw error;
    await readCart();
    say('Something has changed. Look at the cart again, then order.');
  }
}

async function readCart() {
  state.cart = await call('GET', `/v1/carts/${state.cart.id}`);
  showCart();
}

/** Shows an order, and everything that happens to it from now on. */
async function follow(orderId) {
  state.news?.close();
  byId('order').hidden = false;
  byId('order-news').replaceChildren();
  state.said = undefined;
  await readCart();
  await readOrder(orderId);
  state.news = new EventSource(`/v1/orders/${orderId}/stream?access_token=${encodeURIComponent(state.token)}`);
  const told = act(async (event) => {
    const news = JSON.parse(event.data);
    const at = new Date(news.at ?? Date.now()).toLocaleTimeString();
    const text = news.declined === undefined ? STATES[news.state] : `Declined: ${news.declined.message}`;
    const said = text ?? news.state;
    // Amounts and the like change without anything new for a buyer.
    if (state.said !== said) byId('order-news').append(element('li', {}, `${at} `, said));
    state.said = said;
    if (event.type === 'done') state.news.close();
    await readOrder(orderId);
    if (event.type === 'done') await readCart();
  });
  state.news.addEventListener('step', told);
  state.news.addEventListener('done', told);
}

async function readOrder(orderId) {
  const order = await call('GET', `/v1/orders/${orderId}`);
  const isNew = state.order?.id !== order.id || state.order.state !== order.state;
  state.order = order;
  byId('order-state').textContent = `${STATES[order.state] ?? order.state} (${money(order.totalAmount, order.currency)})`;
  const { nextAction, declined } = order.payment;
  const action = [];
  if (order.state === 'needs_action' && nextAction?.url !== undefined)
    action.push(element('a', { href: nextAction.url, id: 'approve' }, 'Approve the payment at the (simulated) bank'));
  if (order.state === 'needs_payment_method' && declined !== undefined)
    action.push(`${declined.message} Choose another instrument above and pay again.`);
  if (order.state === 'paid' && state.cart.contact !== undefined) action.push('The receipt comes by mail.');
  byId('order-action').replaceChildren(...action);
  const mayPay = order.state === 'needs_payment_method';
  byId('payment').hidden = !(mayPay || (state.cart.status === 'open' && state.cart.items.length > 0));
  byId('pay-button').textContent = mayPay ? 'Pay in this way' : 'Order and pay';
  byId('pay-button').disabled = false;
  if (isNew) say(STATES[order.state] ?? order.state);
  if (order.state === 'paid') await showProducts();
}

async function again() {
  state.news?.close();
  Object.assign(state, { order: undefined, recovery: undefined, token: undefined });
  byId('order').hidden = true;
  byId('pay-button').textContent = 'Order and pay';
  await newCart(byId('currency').value);
  say('A new cart.');
}

/** The cart of the link, or the last one of this browser, or a new one. */
async function openCart() {
  const query = new URLSearchParams(location.search);
  state.recovery = query.get('cart') ?? undefined;
  if (state.recovery !== undefined) {
    // What is in the address bar ends up in histories and screenshots.
    history.replaceState(null, '', '/shop');
    try {
      await comeIn();
      say('This is the cart from your mail, at today’s prices.');
      return;
    } catch (error) {
      complain(error);
      state.recovery = undefined;
    }
  }
  const known = localStorage.getItem('cart');
  if (known !== null) {
    try {
      state.cart = await call('GET', `/v1/carts/${known}`);
      if (state.cart.status !== 'expired') return;
    } catch (error) {
      if (error.answer?.code !== 'not_found') throw error;
    }
  }
  await newCart(byId('currency').value);
}

async function start() {
  showInstruments();
  byId('currency').addEventListener(
    'change',
    act(async () => {
      // A cart keeps its currency, so another one needs another cart.
      await newCart(byId('currency').value);
      await showProducts();
      say(`A new cart in ${byId('currency').value}.`);
    }),
  );
  byId('contact').addEventListener('submit', act(saveContact));
  byId('pay').addEventListener('submit', act(pay));
  byId('again').addEventListener('click', act(again));
  await openCart();
  showCart();
  await showProducts();
  byId('currency').disabled = false;
  if (state.cart.orderId !== undefined && state.cart.status === 'ordered') await follow(state.cart.orderId);
}

start().catch(complain);
