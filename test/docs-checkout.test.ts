// Runs the commands of docs/checkout.md, as somebody who reads it would.
import assert from 'node:assert/strict';
import { type Checks, describeHowTo, useHowTo } from './support/how-to.ts';

const howTo = useHowTo();

/** What each section must have said. */
const CHECKS: Checks = {
  'What is sold': (output) => assert.match(output, /"sku":"brass-gear"[^]*"object":"shippingRate"/),
  'Fill a cart': (output) => assert.match(output, /"quantity":3/),
  'Check out and pay': (output) => assert.match(output, /"state":"paid".*"capturedAmount":6460/),
  Follow: (output) => assert.match(output, /"state":"paid"[^]*"activity":"createPayment"/),
  Refund: (output) => assert.match(output, /"money":\{"amount":500,"currency":"EUR"\},"state":"succeeded"/),
  'With the temporal CLI': (output) => assert.match(output, /COMPLETED/),
  'Carts that are left': (output) => assert.match(output, /"reminders":true[^]*"waitsFor":"(reminder|start)"/),
  'The books': (output) => assert.match(output, /"account":"provider_clearing","currency":"EUR"/),
};

describeHowTo(howTo, 'docs/checkout.md', CHECKS);
