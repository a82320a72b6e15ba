import { createEmailActivities } from '../activities/email.ts';

export const breach = createEmailActivities;
