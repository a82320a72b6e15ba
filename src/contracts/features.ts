/** The features that have landed, by their one name in every layer. */
export const FEATURES = ['email', 'files'] as const;
export type Feature = (typeof FEATURES)[number];
