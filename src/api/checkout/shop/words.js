// Words, amounts and elements of the demo shop.
export const DECIMALS = { EUR: 2, JPY: 0, KWD: 3 };
export const INSTRUMENTS = [
  ['pm_card_visa', 'Visa', 'is paid at once'],
  ['pm_card_chargeDeclined', 'Declined card', 'the bank says no; then pay in another way'],
  ['pm_card_threeDSecure2Required', 'Card with 3-D Secure', 'your bank asks you to approve it'],
  ['pm_successDelayed_de', 'Bank debit that takes its time', 'is paid after a while'],
  ['pm_failedDelayed_de', 'Bank debit that fails in the end', 'is refused after a while'],
];
export const STATES = {
  created: 'The payment is being set up.',
  needs_payment_method: 'Not paid. Choose how to pay.',
  needs_action: 'Your bank asks you to approve the payment.',
  processing: 'The payment is under way. A bank debit takes its time; you need not wait here.',
  authorized: 'The money is reserved.',
  paid: 'Paid.',
  partially_refunded: 'Partly refunded.',
  refunded: 'Refunded.',
  cancelled: 'Cancelled. Nothing was charged.',
  failed: 'It came to nothing. Nothing was charged.',
  unknown: 'We do not know yet what became of the payment, and are finding out.',
};
export const FAULTS = {
  not_for_sale: 'is not sold any more',
  no_price: 'is not sold in this currency',
  out_of_stock: 'is not there in this number',
  nothing_to_pay: 'There is nothing to pay.',
  not_payable: 'This is too little, or too much, to be paid at once.',
};

/** An element with its properties, attributes and listeners. */
export function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === 'on') for (const [event, handler] of Object.entries(value)) made.addEventListener(event, handler);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** An amount in minor units, as people of this browser write it. */
export function money(amount, currency) {
  const decimals = DECIMALS[currency] ?? 2;
  return new Intl.NumberFormat(undefined, {
    style: 'currency',
    currency,
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  }).format(amount / 10 ** decimals);
}
