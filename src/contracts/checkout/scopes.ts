/** What a key or token needs for carts and orders. */
export const CHECKOUT_SCOPES = { read: 'checkout:read', start: 'checkout:write' } as const;

/** What a key needs to change what is sold. No end user's token has it. */
export const CATALOGUE_SCOPE = 'catalogue:write';
