export { email } from './email.ts';
export { warmUp } from './warm-up.ts';
