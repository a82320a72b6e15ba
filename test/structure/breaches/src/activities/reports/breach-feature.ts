import { createEmailActivities } from '../email.ts';

export const breach = createEmailActivities;
