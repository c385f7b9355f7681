-- Webhooks: events sent to the URLs of users. What is to be sent is a row of its own from the moment that its event is
-- dispatched, so that it survives anything; who sends it claims it for a moment.

create table webhooks (
  book            integer     not null,
  id              uuid        not null,
  user_id         uuid        not null,
  url             text        not null check (length(url) <= 2048),
  description     text,
  events          text[]      not null check (cardinality(events) >= 1),
  -- Sealed by the server's key (src/database/secret_box.ts). The one before signs too until `previous_until`.
  secret          bytea       not null,
  previous_secret bytea,
  previous_until  timestamptz,
  status          text        not null default 'active' check (status in ('active', 'disabled', 'deleted')),
  disabled_reason text        check (disabled_reason in ('by_owner', 'failing', 'gone')),
  disabled_at     timestamptz,
  -- Whether the last attempt failed: such an endpoint gets fewer connections.
  failing         boolean     not null default false,
  -- Events of transactions that began after this one are for it.
  since_txid      xid8        not null default pg_current_xact_id(),
  created_at      timestamptz not null,
  updated_at      timestamptz not null,
  primary key (book, id),
  foreign key (book, user_id) references users (book, id),
  check ((previous_secret is null) = (previous_until is null)),
  check ((status = 'disabled') = (disabled_reason is not null)),
  check ((status = 'disabled') = (disabled_at is not null))
);
create index webhooks_by_user on webhooks (book, user_id, id) where status <> 'deleted';

-- One event for one endpoint. `event_txid` and `event_id` are the event's place in the feed; a ping has such a place of
-- its own and no row in `events`.
create table webhook_deliveries (
  book          integer     not null,
  id            uuid        not null,
  webhook_id    uuid        not null,
  event_txid    xid8        not null default pg_current_xact_id(),
  event_id      uuid        not null,
  event_type    text        not null,
  object_id     uuid        not null,
  body          text        not null,
  status        text        not null check (status in ('pending', 'succeeded', 'failed', 'skipped')),
  attempts      integer     not null default 0, -- all that were made
  tries         integer     not null default 0, -- those that failed since it was last asked for: its place in the schedule
  due_at        timestamptz not null,
  claimed_until timestamptz,
  completed_at  timestamptz,
  created_at    timestamptz not null,
  primary key (book, id),
  unique (book, webhook_id, event_id),
  foreign key (book, webhook_id) references webhooks (book, id),
  check ((status = 'pending') = (completed_at is null)),
  check (status = 'pending' or claimed_until is null)
) with (fillfactor = 80);
create index webhook_deliveries_by_webhook on webhook_deliveries (book, webhook_id, id);
create index webhook_deliveries_due on webhook_deliveries (book, webhook_id, due_at) where status = 'pending';
-- The line that each object's events wait in, oldest first.
create index webhook_deliveries_in_line on webhook_deliveries (book, webhook_id, object_id, event_txid, event_id)
  where status = 'pending';

create table webhook_attempts (
  book             integer     not null,
  delivery_id      uuid        not null,
  number           integer     not null check (number >= 1),
  url              text        not null,
  request_headers  jsonb       not null,
  address          text,        -- which the name had; null where it came to none
  answer_status    integer,
  answer_headers   jsonb,
  answer_body      text,        -- its beginning
  error            text,
  milliseconds     integer     not null,
  created_at       timestamptz not null,
  primary key (book, delivery_id, number),
  foreign key (book, delivery_id) references webhook_deliveries (book, id),
  check ((answer_status is null) = (error is not null))
);

-- How far the feed of a book has been dispatched. A book has a row from its first webhook on.
create table webhook_cursors (
  book     integer not null primary key references books (book),
  txid     xid8    not null,
  event_id uuid    not null
);

grant select, insert on webhooks, webhook_deliveries, webhook_attempts, webhook_cursors to billing_gateway;
grant update (url, description, events, secret, previous_secret, previous_until, status, disabled_reason, disabled_at,
  failing, updated_at) on webhooks to billing_gateway;
grant update (status, attempts, tries, due_at, claimed_until, completed_at) on webhook_deliveries to billing_gateway;
grant update (txid, event_id) on webhook_cursors to billing_gateway;
