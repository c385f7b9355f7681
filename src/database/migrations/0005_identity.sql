-- Second factors, changes of password and address, closed users.

alter table users add column closed_at timestamptz;  -- closed for good, by the user; the address stays theirs

alter table tokens
  add column kind         text not null default 'token',  -- session: made by a log-in
  add column address      text,                           -- where a session was made from
  add column proven_until timestamptz,                    -- until then the holder counts as having just proven who they are
  add constraint tokens_kind check (kind in ('session', 'token'));

-- A time-based one-time password (RFC 6238). There is none while `enrolled_at` is null: the secret was shown, not proven.
create table second_factors (
  book        integer     not null,
  user_id     uuid        not null,
  secret      bytea       not null,  -- sealed (database/secret_box.ts)
  enrolled_at timestamptz,
  last_step   bigint      not null default 0,  -- of the last code that was taken: none up to it works again
  attempts    integer     not null default 0,  -- since the last right code, in the window that began then
  window_from timestamptz not null,
  created_at  timestamptz not null,
  primary key (book, user_id),
  foreign key (book, user_id) references users (book, id)
);

create table recovery_codes (
  book    integer not null,
  user_id uuid    not null,
  hash    bytea   not null,  -- SHA-256 of 80 random bits
  used_at timestamptz,
  primary key (book, user_id, hash),
  foreign key (book, user_id) references users (book, id)
);

-- A change of address, which both addresses confirm. At most one of a user is open: neither done nor dropped.
create table email_changes (
  book             integer     not null,
  id               uuid        not null,
  user_id          uuid        not null,
  email            text        not null,
  old_confirmed_at timestamptz,
  new_confirmed_at timestamptz,
  done_at          timestamptz,
  dropped_at       timestamptz,
  expires_at       timestamptz not null,
  created_at       timestamptz not null,
  primary key (book, id),
  foreign key (book, user_id) references users (book, id),
  check (done_at is null or (old_confirmed_at is not null and new_confirmed_at is not null and dropped_at is null))
);
create unique index email_changes_open on email_changes (book, user_id) where done_at is null and dropped_at is null;

alter table mail_tokens
  add column created_at      timestamptz not null default clock_timestamp(),
  add column email_change_id uuid,
  add constraint mail_tokens_email_change foreign key (book, email_change_id) references email_changes (book, id),
  drop constraint mail_tokens_purpose_check,
  add constraint mail_tokens_purpose check (
    purpose in ('confirm_email', 'reset_password')
    or (purpose in ('change_email_old', 'change_email_new') and email_change_id is not null)
  );
create index mail_tokens_by_user on mail_tokens (book, user_id, purpose, created_at);

grant update (closed_at) on users to billing_gateway;
grant update (proven_until) on tokens to billing_gateway;
grant select, insert on second_factors, recovery_codes, email_changes to billing_gateway;
grant update (secret, enrolled_at, last_step, attempts, window_from, created_at) on second_factors to billing_gateway;
grant update (used_at) on recovery_codes to billing_gateway;
grant delete on second_factors, recovery_codes to billing_gateway;
grant update (old_confirmed_at, new_confirmed_at, done_at, dropped_at) on email_changes to billing_gateway;
