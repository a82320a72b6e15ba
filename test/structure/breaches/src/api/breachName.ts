export const name = '';
