-- A text as it is compared where its case does not matter, as with `like` of lists: of every script, also in a database
-- whose own locale knows the letters of ASCII only, as that of the embedded PostgreSQL does. PostgreSQL has a collation for
-- it from 18 on, and ICU before; where it was built without, the database's own has to do.
do $$
declare
  unicode text := (select quote_ident(c.collname)
                     from pg_collation c
                    where c.collnamespace = 'pg_catalog'::regnamespace and c.collname in ('pg_unicode_fast', 'und-x-icu')
                      and c.collencoding in (-1, (select d.encoding from pg_database d where d.datname = current_database()))
                    order by c.collname
                    limit 1);
begin
  execute format('create function in_any_case(content text) returns text
                    language sql immutable parallel safe
                    return upper(content%s)', ' collate ' || unicode);
end $$;

revoke all on function in_any_case from public;
grant execute on function in_any_case to billing_gateway;
