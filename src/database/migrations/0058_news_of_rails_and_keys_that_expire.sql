-- What the rail calls the movement that an operator had settled by hand: heard of again, it is no second one. A column of
-- the payment it cannot be, which is sealed by then.
alter table rail_instructions add column confirmed_as text;
grant update (confirmed_as) on rail_instructions to billing_gateway;

-- Answers to requests that moved no money are not kept for ever.
alter table idempotency_keys add column expires_at timestamptz;  -- null: never
create index idempotency_keys_expired on idempotency_keys (expires_at) where expires_at is not null;
