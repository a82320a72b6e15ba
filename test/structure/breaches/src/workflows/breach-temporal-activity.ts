import { heartbeat } from '@temporalio/activity';

export const breach = heartbeat;
