// The demo shop as a newcomer sees it: in a real browser, against the product as `npm start` runs it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser, NO_BROWSER } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { type Product, startProduct } from '../support/product.ts';

const PATIENCE_MS = 60_000;
/** Where pictures for the documentation go; none are made without it. */
const PICTURES = process.env['SHOP_PICTURES'];

describe('the demo shop', { skip: NO_BROWSER }, () => {
  let product: Product;
  let browser: Browser;

  before(async () => {
    product = await startProduct(['--ephemeral']);
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await product?.[Symbol.asyncDispose]();
  });

  /** A browser of somebody's own; faults of scripts and of the page's policy are errors of the test. */
  async function visit(path = '/shop'): Promise<{ readonly page: Page; readonly faults: string[] }> {
    const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 900, height: 1250 } });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) faults.push(message.text());
    });
    await page.goto(path.startsWith('http') ? path : `${product.endpoints['api']}${path}`);
    return { page, faults };
  }

  async function picture(page: Page, name: string): Promise<void> {
    if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  }

  function shows(page: Page, text: string | RegExp): Promise<void> {
    return page.getByText(text).first().waitFor();
  }

  async function fill(page: Page, name: string): Promise<void> {
    await page.getByRole('button', { name: `Put into the cart: ${name}` }).click();
    await shows(page, `${name} is in the cart.`);
  }

  async function payWith(page: Page, title: string, button = 'Order and pay'): Promise<void> {
    await page.getByRole('radio', { name: title }).check();
    await page.getByRole('button', { name: button }).click();
  }

  test('sells to somebody who uses the keyboard alone, shows what happens and sends a receipt', async () => {
    const { page, faults } = await visit();
    await shows(page, 'Payments here are simulated.');
    await page.getByRole('button', { name: 'Put into the cart: Brass gear, 24 teeth' }).waitFor();
    await picture(page, 'shop-products');
    await page.getByRole('button', { name: 'Put into the cart: Brass gear, 24 teeth' }).focus();
    await page.keyboard.press('Enter');
    await shows(page, 'Brass gear, 24 teeth is in the cart.');
    await fill(page, 'Pocket orrery');
    await page.getByLabel('How many: Brass gear, 24 teeth').fill('2');
    await page.keyboard.press('Tab');
    await shows(page, '€128.80');
    await page.getByLabel('E-mail, for the receipt').fill('ada@example.com');
    await page.keyboard.press('Enter');
    await shows(page, 'Your address is saved.');
    await picture(page, 'shop-cart');
    await page.getByRole('radio', { name: 'Visa' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#order-state', { hasText: 'Paid.' }).waitFor();
    await page.locator('#order-news li', { hasText: 'Paid.' }).waitFor();
    assert.match(await page.locator('#order-state').innerText(), /€128\.80/);
    assert.equal(await page.locator('#status').getAttribute('aria-live'), 'polite');
    await picture(page, 'shop-paid');
    await eventually(async () => (await product.mailbox()).some((mail) => mail.endsWith(' ada@example.com')), {
      timeoutMs: PATIENCE_MS,
    });
    await page.reload();
    await page.locator('#order-state', { hasText: 'Paid.' }).waitFor();
    assert.deepEqual(faults, []);
  });

  test('lets somebody whose card is declined pay in another way, and approve the payment at the bank', async () => {
    const { page, faults } = await visit();
    await fill(page, 'Oil lamp for the night shift');
    await payWith(page, 'Declined card');
    await shows(page, /Choose another instrument above and pay again/);
    await picture(page, 'shop-declined');
    await payWith(page, 'Card with 3-D Secure', 'Pay in this way');
    await page.locator('#approve').waitFor();
    await picture(page, 'shop-approve');
    await page.locator('#approve').click();
    await page
      .getByRole('button', { name: /approve|complete|confirm/i })
      .first()
      .waitFor();
    await picture(page, 'shop-bank');
    await page
      .getByRole('button', { name: /approve|complete|confirm/i })
      .first()
      .click();
    await page.waitForURL(/\/shop/);
    await page.locator('#order-state', { hasText: 'Paid.' }).waitFor();
    assert.deepEqual(faults, []);
  });

  test('lets an operator look into an order in Temporal Web UI', async () => {
    // The first order: whether the second has succeeded by now is not known.
    const { body } = await product.call('GET', '/v1/operations?kind=order&status=succeeded');
    const { links } = body.data.at(-1);
    const { page } = await visit(links.temporal);
    await page.setViewportSize({ width: 1100, height: 1460 });
    for (const text of ['COMPLETED', 'createPayment', 'confirmPayment', 'sendReceipt'])
      await page.getByText(text).first().waitFor({ state: 'attached' });
    await picture(page, 'order-in-temporal');
  });

  test('sells in yen and dinars, tells what is not sold in them, and begins a new cart in each', async () => {
    const { page, faults } = await visit();
    for (const [currency, total] of [
      ['JPY', '¥8,100'],
      ['KWD', '16.800'],
    ] as const) {
      await page.getByLabel('Currency').selectOption(currency);
      await shows(page, `A new cart in ${currency}.`);
      await shows(page, `not sold in ${currency}`);
      await fill(page, 'Oil lamp for the night shift');
      await page.locator('tfoot tr', { hasText: 'Total' }).getByText(total).waitFor();
    }
    assert.deepEqual(faults, []);
  });

  test('restores nothing from a link that is not one of ours, and says so', async () => {
    const { page } = await visit('/shop?cart=default.Zm9yZ2Vk');
    await shows(page, /older than seven days|does not restore|not one of ours|The shop answered/i);
    await page.getByRole('button', { name: 'Put into the cart: Brass gear, 24 teeth' }).waitFor();
    assert.doesNotMatch(page.url(), /cart=/);
  });
});
