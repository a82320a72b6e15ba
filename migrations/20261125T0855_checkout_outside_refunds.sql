-- A refund may also be made on the payment provider's own page.

alter table payment_refund drop constraint payment_refund_cause_check;
alter table payment_refund add constraint payment_refund_cause_check check (cause in ('asked', 'undo', 'outside'));
