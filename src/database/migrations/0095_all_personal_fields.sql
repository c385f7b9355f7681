-- The rest of what is personal: names and metadata of accounts, also in events, schedules, webhooks with what was sent to
-- them, and the answers that are kept for idempotency keys. A text as 0094_texts_of_users.sql has it; null where it is empty.

alter table accounts
  alter column name drop not null,
  alter column metadata drop default,
  alter column metadata drop not null,
  alter column name     type bytea using stored_text(book, user_id, name),
  alter column metadata type bytea using stored_text(book, user_id, nullif(metadata, '{}')::text);

alter table schedules
  alter column metadata drop not null,
  alter column description type bytea using stored_text(book, user_id, description),
  alter column metadata    type bytea using stored_text(book, user_id, nullif(metadata, '{}')::text);

-- Name and metadata of an account as they were, in JSON.
alter table events add column texts bytea;
update events e
   set texts = stored_text(e.book, a.user_id,
                           jsonb_build_object('name', e.state -> 'name', 'metadata', e.state -> 'metadata')::text),
       state = e.state - 'name' - 'metadata'
  from accounts a
 where a.book = e.book and a.id = e.object_id and e.type like 'account.%' and e.state ? 'name';

alter table webhooks
  drop constraint webhooks_url_check,
  alter column url drop not null,
  alter column url         type bytea using stored_text(book, user_id, url),
  alter column description type bytea using stored_text(book, user_id, description);

create function webhook_owner(of_book integer, of_webhook uuid) returns uuid
  language sql stable strict
  return (select w.user_id from webhooks w where w.book = of_book and w.id = of_webhook);

alter table webhook_deliveries
  alter column body type bytea using stored_text(book, webhook_owner(book, webhook_id), body);

alter table webhook_attempts
  alter column url         type bytea using stored_text(book, null, url),
  alter column answer_body type bytea using stored_text(book, null, answer_body);
update webhook_attempts a
   set url         = stored_text(a.book, webhook_owner(d.book, d.webhook_id), shown_text(a.book, null, a.url)),
       answer_body = stored_text(a.book, webhook_owner(d.book, d.webhook_id), shown_text(a.book, null, a.answer_body))
  from webhook_deliveries d
 where d.book = a.book and d.id = a.delivery_id;

alter table idempotency_keys
  alter column answer type bytea using stored_text(book, user_id, answer::text);

revoke all on function webhook_owner from public;
grant execute on function webhook_owner to billing_gateway;

create or replace function erase_events(of_book integer, of_user uuid, behind xid8, behind_id uuid, most integer)
  returns table (last_txid text, last_id uuid)
  language sql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
    with looked as materialized (
      select v.book, v.txid, v.id
        from being_erased b
        join user_events v on v.book = b.book and v.user_id = b.user_id
       where b.book = of_book and b.user_id = of_user and (v.txid, v.id) > (behind, behind_id)
       order by v.txid, v.id
       limit most
    ), gone as (
      update events e set texts = null
        from looked l
       where e.book = l.book and e.txid = l.txid and e.id = l.id and e.type like 'account.%' and e.texts is not null
    )
    select l.txid::text, l.id from looked l order by l.txid desc, l.id desc limit 1
  $$;

create or replace function finish_erasure(of_book integer, of_user uuid) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, public, pg_temp
  as $$
  begin
    perform from erasures where book = of_book and user_id = of_user for update;
    if not exists (select from being_erased where book = of_book and user_id = of_user) then return false; end if;
    if exists (select from webhooks w
                 join webhook_deliveries d on d.book = w.book and d.webhook_id = w.id
                where w.book = of_book and w.user_id = of_user) then return false; end if;
    update accounts set name = null, metadata = null where book = of_book and user_id = of_user;
    update schedules set description = null, metadata = null where book = of_book and user_id = of_user;
    update tokens set name = null, address = null where book = of_book and user_id = of_user;
    update webhooks set url = null, description = null, secret = '', previous_secret = null, previous_until = null
     where book = of_book and user_id = of_user;
    update email_changes set email = null where book = of_book and user_id = of_user;
    delete from idempotency_keys where book = of_book and user_id = of_user;
    delete from user_keys where book = of_book and user_id = of_user;
    delete from erasures where book = of_book and user_id = of_user;
    return true;
  end
  $$;
