import { defineSearchAttributeKey } from '@temporalio/common';

export const breach = defineSearchAttributeKey;
