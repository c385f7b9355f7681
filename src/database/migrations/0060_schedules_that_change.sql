-- A schedule may be changed (docs/scheduled.md): what it pays, until when, and when the next one falls due.
alter table schedules
  add column start_number integer not null default 0,  -- of the occurrence that falls due at starts_at
  add constraint starts_with_a_number check (start_number >= 0);

grant update (amount, fee_payer, description, metadata, starts_at, start_number, ends_at, count, retry_times,
              retry_every_minutes) on schedules to billing_gateway;
