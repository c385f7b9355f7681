-- What says who a user is stands in the database encrypted, under a key of the user's own: when that is destroyed, nobody
-- reads it, neither here nor in a copy that was made without the keys (docs/privacy.md).
create extension if not exists pgcrypto;

-- Four bytes that tell by which key, the initialization vector of 16 bytes, and AES-256 in CBC mode. The key is made from the
-- user's, which itself is for the hashes of texts (0067_erasure.sql).
create function encrypted_under(key bytea, content text) returns bytea
  language sql volatile strict
  return (select substr(sha256(key || 'id'::bytea), 1, 4) || v.iv
                 || encrypt_iv(convert_to(content, 'UTF8'), sha256(key || 'fields'::bytea), v.iv, 'aes-cbc')
            from (select gen_random_bytes(16) as iv) v);

-- Nothing where the user has no key.
create function encrypted(of_book integer, of_user uuid, content text) returns bytea
  language sql volatile strict
  return (select encrypted_under(k.key, content) from user_keys k where k.book = of_book and k.user_id = of_user);

-- Nothing where the user has no key any more, or another.
create function decrypted(of_book integer, of_user uuid, content bytea) returns text
  language sql stable strict
  return (select convert_from(decrypt_iv(substr(content, 21), sha256(k.key || 'fields'::bytea), substr(content, 5, 16),
                                         'aes-cbc'), 'UTF8')
            from user_keys k
           where k.book = of_book and k.user_id = of_user
             and substr(content, 1, 4) = substr(sha256(k.key || 'id'::bytea), 1, 4));

-- What others see of a user: the name that they chose, or else their address.
create function shown_name(of_book integer, of_user uuid, display_name bytea, email bytea) returns text
  language sql stable
  return case when of_user is not null
              then coalesce(decrypted(of_book, of_user, display_name), decrypted(of_book, of_user, email), 'erased user') end;

-- What an address is found by: its hash under a key of the gateway's, so that nobody tries addresses on a copy without it.
create table address_key (
  key     bytea   not null check (length(key) = 32),
  is_only boolean primary key default true check (is_only)
);
insert into address_key (key) values (gen_random_bytes(32));

create function address_hash(address text) returns bytea
  language sql stable strict
  return (select hmac(convert_to(address, 'UTF8'), a.key, 'sha256') from address_key a);

revoke all on function encrypted_under, encrypted, decrypted, shown_name, address_hash from public;
grant execute on function encrypted_under, encrypted, decrypted, shown_name, address_hash to billing_gateway;
grant select on address_key to billing_gateway;

-- A user has a key from the beginning.
insert into user_keys (book, user_id, key)
select u.book, u.id, gen_random_bytes(32) from users u where u.erased_at is null
    on conflict (book, user_id) do nothing;

-- Whoever is erased has no address, and an id for its hash, which is none.
alter table users
  drop constraint display_name_length,
  drop constraint users_book_email_key_key,
  alter column email drop not null,
  alter column email        type bytea using convert_to(email, 'UTF8'),
  alter column display_name type bytea using convert_to(display_name, 'UTF8'),
  alter column email_key    type bytea using case when erased_at is null then address_hash(email_key) else uuid_send(id) end;
update users u
   set email        = case when erased_at is null then encrypted(u.book, u.id, convert_from(u.email, 'UTF8')) end,
       display_name = case when erased_at is null then encrypted(u.book, u.id, convert_from(u.display_name, 'UTF8')) end;
alter table users
  add unique (book, email_key),
  add constraint address_until_erased check (erased_at is not null or email is not null);

alter table email_changes alter column email drop not null, alter column email type bytea using convert_to(email, 'UTF8');
update email_changes c set email = encrypted(c.book, c.user_id, convert_from(c.email, 'UTF8'));

alter table tokens
  alter column name drop not null,
  alter column name    type bytea using convert_to(name, 'UTF8'),
  alter column address type bytea using convert_to(address, 'UTF8');
update tokens t
   set name    = encrypted(t.book, t.user_id, convert_from(t.name, 'UTF8')),
       address = encrypted(t.book, t.user_id, convert_from(t.address, 'UTF8'));

-- A list of names, as JSON.
alter table erasures alter column known_as drop not null,
  alter column known_as type bytea using convert_to(to_jsonb(known_as)::text, 'UTF8');
update erasures e set known_as = encrypted(e.book, e.user_id, convert_from(e.known_as, 'UTF8'));
