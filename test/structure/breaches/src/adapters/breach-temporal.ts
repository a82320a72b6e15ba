import { ApplicationFailure } from '@temporalio/common';

export const breach = ApplicationFailure;
