-- What happened to one payment or account is what users and operators ask of events first. Ids of payments come in the
-- order of time, so new entries go to the right end of the index, as those of the primary key do.
create index events_by_object on events (book, object_id);

-- What is pending with a rail, in the order of the payments: no index of payments holds their status (decision 6).
create index rail_instructions_open on rail_instructions (book, payment_id) where state <> 'done';
