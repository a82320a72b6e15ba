/** The features that have landed, by their one name in every layer. */
export const FEATURES = ['email', 'files', 'checkout'] as const;
export type Feature = (typeof FEATURES)[number];
