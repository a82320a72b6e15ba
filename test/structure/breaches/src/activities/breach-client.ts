import { Client } from '@temporalio/client';

export const breach = Client;
