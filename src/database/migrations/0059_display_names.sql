-- What others see of a user in place of the e-mail address (src/identity/display_name.ts).
alter table users
  add column display_name text,
  add constraint display_name_length check (char_length(display_name) between 1 and 70);
grant update (display_name) on users to billing_gateway;
