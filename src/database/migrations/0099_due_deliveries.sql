-- While hardly anything waits to be sent, PostgreSQL takes the two indexes of what is pending to be equally small. Had it
-- looked then, who stood before an event in its line was sought among all that was due, for each event anew. The index of
-- what is due serves only those who ask when it is due.

create index webhook_deliveries_due_at on webhook_deliveries (book, webhook_id, due_at)
  where status = 'pending' and due_at is not null;
drop index webhook_deliveries_due;
alter index webhook_deliveries_due_at rename to webhook_deliveries_due;
