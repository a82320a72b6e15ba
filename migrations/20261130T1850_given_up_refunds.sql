-- Refunds that were not given to the provider yet: those whose work has ended are looked for every half minute.
create index payment_refund_waiting on payment_refund (created_at) where provider_id is null and state = 'pending';
