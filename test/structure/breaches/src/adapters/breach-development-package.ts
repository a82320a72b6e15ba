import { format } from 'oxfmt';

export const breach = format;
