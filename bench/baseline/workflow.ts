import { proxyLocalActivities } from '@temporalio/workflow';
import type { BaselineActivities, Mail } from './activities.ts';

const { sendMail } = proxyLocalActivities<BaselineActivities>({ startToCloseTimeout: '10s' });

/** One mail, as a first tutorial on the SDK would have it, with a local activity for speed. */
export async function baselineMail(mail: Mail): Promise<void> {
  await sendMail(mail);
}
