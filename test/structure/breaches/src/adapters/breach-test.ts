import { helper } from '../../test/helper.ts';

export const breach = helper;
