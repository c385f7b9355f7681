-- What is counted against abuse (docs/api.md, Rate limits). Of no book: an address calls them all. Unlogged, as nothing is
-- lost with it but counts of the last minutes. Keys are digests: neither addresses nor e-mails are kept here.

create unlogged table rate_limits (
  key     uuid        not null,
  full_at timestamptz not null,  -- when all that was used will be there again
  primary key (key)
) with (fillfactor = 50);
create index rate_limits_by_time on rate_limits (full_at);

create unlogged table failed_attempts (
  key          uuid        not null,
  failures     integer     not null,  -- attempts that have not succeeded, those under way too
  next_at      timestamptz not null,  -- no attempt before this
  forgotten_at timestamptz not null,
  primary key (key)
) with (fillfactor = 50);
create index failed_attempts_by_time on failed_attempts (forgotten_at);

grant select, insert, delete on rate_limits, failed_attempts to billing_gateway;
grant update (full_at) on rate_limits to billing_gateway;
grant update (failures, next_at, forgotten_at) on failed_attempts to billing_gateway;
