export const helper = true;
