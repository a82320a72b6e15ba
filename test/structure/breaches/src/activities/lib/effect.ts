import { heartbeat } from '@temporalio/activity';

export function effect(): void {
  heartbeat();
}
