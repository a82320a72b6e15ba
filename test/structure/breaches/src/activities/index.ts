import { createEmailActivities } from './email.ts';
import { createReportActivities } from './reports/index.ts';

export const activities = { createEmailActivities, createReportActivities };
