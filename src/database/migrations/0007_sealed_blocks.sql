-- Sealed blocks (docs/proofs.md, ledger.md law 6). A block covers the transactions above `up_to_txid` of the block before
-- and up to its own. The payments that became final in these are found by their events, which may be forgotten later, so
-- the block names them; postings go with their payment, audit lines have their transaction. So payments, postings and
-- events, the busy tables, need nothing more.

-- Lines from before get the transaction of this migration.
alter table audit_log add column txid xid8 not null default pg_current_xact_id();
create index audit_log_by_transaction on audit_log (book, txid, id);

create table seal_keys (
  book        integer     not null references books (book),
  id          text        not null,  -- the beginning of the SHA-256 of the key
  public_key  text        not null,  -- PEM
  first_block bigint      not null,
  created_at  timestamptz not null,
  primary key (book, id)
);

create table blocks (
  book       integer     not null,
  number     bigint      not null,
  format     smallint    not null,  -- how rows became leaves
  previous   bytea,                 -- the hash of the block before
  up_to_txid xid8        not null,
  payments   uuid[]      not null,  -- that it holds, in their order
  leaves     integer     not null,
  root       bytea       not null,
  first_at   timestamptz not null,  -- of what it holds
  last_at    timestamptz not null,
  key_id     text        not null,
  sealed_at  timestamptz not null,
  salt       bytea       not null,  -- keeps the hash of a neighbour in a proof from being guessed; never goes out
  hash       bytea       not null,
  signature  bytea       not null,
  primary key (book, number),
  foreign key (book, key_id) references seal_keys (book, id),
  check (number > 0 and (number = 1) = (previous is null)),
  check (leaves > 0 and first_at <= last_at)
);
create index blocks_by_time on blocks (book, last_at, number);

grant select, insert on seal_keys, blocks to billing_gateway;

-- As before, and: what makes a payment final stays until that is sealed.
create or replace function forget_events(of_book integer, before timestamptz, most integer) returns bigint
  language sql security definer set search_path = pg_catalog, public
  as $$
    with oldest as materialized (
      select e.book, e.txid, e.id, e.type, e.created_at from events e where e.book = of_book order by e.txid, e.id limit most
    ), old as materialized (
      select o.book, o.txid, o.id from oldest o where o.created_at < least(before, now() - interval '1 day')
         and (o.txid <= (select b.up_to_txid from blocks b where b.book = of_book order by b.number desc limit 1)
              or o.type not in ('payment.completed', 'payment.declined', 'payment.canceled', 'payment.failed',
                                'payment.expired'))
    ), hidden as (
      delete from user_events u using old o, event_viewers v
       where v.book = o.book and v.txid = o.txid and v.id = o.id
         and u.book = v.book and u.user_id = v.user_id and u.txid = v.txid and u.id = v.id
    ), gone as (
      delete from events e using old o where e.book = o.book and e.txid = o.txid and e.id = o.id
      returning e.id
    )
    select count(*) from gone
  $$;
