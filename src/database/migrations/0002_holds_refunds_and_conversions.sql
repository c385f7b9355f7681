-- Payments that are not over at once: held and captured, refunded, converted (docs/ledger.md, Payments).

alter table payments
  add column authorized_amount numeric(38, 0),  -- what was asked for where the payment was held first; `amount` is what it came to
  add column authorized_fee    numeric(38, 0),
  add column failure_reason    text,            -- why its rail refused it
  add column quote_id          uuid,
  add column exchange_currency text,            -- the other currency of a conversion, and what moves in it
  add column exchange_amount   numeric(38, 0),
  add column exchange_rate     text;            -- as it was quoted, a decimal number

alter table payments
  -- A small refund may be nothing but a part of the fee.
  drop constraint payments_check2,
  add constraint payments_check2
    check (amount > 0 and fee >= 0 and (fee_payer = 'sender' or fee < amount or kind = 'refund' and fee = amount)),
  add constraint failed_has_reason check ((status = 'failed') = (failure_reason is not null)),
  add constraint authorized_whole check (authorized_amount > 0 and authorized_fee >= 0
                                         or authorized_amount is null and authorized_fee is null),
  add constraint exchange_whole check (exchange_currency is null and exchange_amount is null and exchange_rate is null
                                       or exchange_currency is not null and exchange_amount >= 0 and exchange_rate is not null),
  add constraint refund_of_payment check ((kind = 'refund') = (refund_of is not null)),
  add constraint pending_expires check (capture = 'automatic' or expires_at is not null);

create index payments_by_original on payments (book, refund_of, id) where refund_of is not null;

create or replace view account_payments as
  select from_account as account_id, 'from' as side, p.* from payments p
  union all
  select to_account, 'to', p.* from payments p;

-- The payments that are pending until a time. A table of its own keeps `status` out of every index of payments.
create table holds (
  book       integer     not null,
  payment_id uuid        not null,
  expires_at timestamptz not null,
  primary key (book, payment_id)
);
create index holds_by_expiry on holds (book, expires_at, payment_id);

-- The life of a payment: src/ledger/lifecycle.ts, in the database's words. A test holds the two against each other.
create table payment_transitions (
  from_status text not null,
  event       text not null,
  to_status   text not null,
  primary key (from_status, event, to_status)
);
insert into payment_transitions (from_status, event, to_status) values
  ('initiated', 'post', 'completed'),
  ('initiated', 'post', 'declined'),
  ('initiated', 'hold', 'pending'),
  ('initiated', 'hold', 'declined'),
  ('pending', 'settle', 'completed'),
  ('pending', 'cancel', 'canceled'),
  ('pending', 'fail', 'failed'),
  ('pending', 'expire', 'expired'),
  ('completed', 'refund', 'completed');

-- The only way in which the server can change a status: along a transition, so that what is final stays as it is. Runs
-- as the owner of the tables. Gives the number of payments that went over; one that could not is not among them.
create function move_payments(
  book_of       integer,
  at            timestamptz,
  ids           uuid[],
  events        text[],
  statuses      text[],
  reasons       text[],     -- of declined and failed ones
  amounts       numeric[],  -- what a settled one came to; null: as it was
  fees          numeric[]
) returns integer language sql volatile security definer set search_path = pg_catalog, public, pg_temp as $$
  with moved as (
    update payments p
       set status         = v.status,
           decline_reason = case v.status when 'declined' then v.reason end,
           failure_reason = case v.status when 'failed' then v.reason end,
           completed_at   = case v.status when 'completed' then at end,
           amount         = coalesce(v.amount, p.amount),
           fee            = coalesce(v.fee, p.fee),
           updated_at     = at
      from (select book_of as book, * from unnest(ids, events, statuses, reasons, amounts, fees)
                                        as rows (id, event, status, reason, amount, fee)
            offset 0) as v
     where p.book = v.book and p.id = v.id and v.event <> 'refund'
       and exists (select from payment_transitions t
                    where t.from_status = p.status and t.event = v.event and t.to_status = v.status)
    returning 1
  )
  select count(*)::int from moved
$$;

revoke all on function move_payments from public;
grant execute on function move_payments to billing_gateway;
revoke update (status, decline_reason, completed_at) on payments from billing_gateway;
grant select on payment_transitions to billing_gateway;
grant select, insert, delete on holds to billing_gateway;
