export { cart } from './checkout/cart.ts';
export { order } from './checkout/order.ts';
export { refund } from './checkout/refund.ts';
export { email } from './email.ts';
export { fileProcessing } from './files/processing.ts';
export { fileRemoval } from './files/removal.ts';
export { upload } from './files/upload.ts';
export { warmUp } from './warm-up.ts';
