-- The whole schema, as the migrations in src/database/migrations leave it; what each part is for stands there. Made
-- by `npm run --silent schema > schema.sql` from the catalogs of the embedded PostgreSQL, never edited by hand. A test
-- fails where it is stale.

create extension pgcrypto;

create table accounts (
  book integer not null,
  id uuid not null,
  user_id uuid,
  code text,
  currency text not null,
  name bytea,
  status text not null default 'active'::text,
  balance numeric(38,0) not null default 0,
  held numeric(38,0) not null default 0,
  overdraft_limit numeric(38,0) not null default 0,
  metadata bytea,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  frozen_itself text,
  frozen_with_user text,
  refuse_incoming boolean not null default false,
  constraint accounts_pkey PRIMARY KEY (book, id),
  constraint accounts_book_currency_code_key UNIQUE (book, currency, code),
  constraint account_floor CHECK (((code IS NOT NULL) OR (((balance - held) + overdraft_limit) >= '0'::numeric))),
  constraint accounts_check CHECK (((user_id IS NULL) <> (code IS NULL))),
  constraint accounts_check1 CHECK (((held >= '0'::numeric) AND (overdraft_limit >= '0'::numeric))),
  constraint accounts_code_check CHECK ((code = ANY ('{internal,wire,wallet,crypto_currency,exchange,suspense}'::text[]))),
  constraint accounts_frozen CHECK (((frozen_itself = ANY ('{out,all}'::text[])) AND (frozen_with_user = ANY ('{out,all}'::text[])))),
  constraint accounts_status_check CHECK ((status = ANY ('{active,frozen,closed}'::text[]))),
  constraint closed_at_zero CHECK (((status <> 'closed'::text) OR ((balance = '0'::numeric) AND (held = '0'::numeric)))),
  constraint frozen_for_a_reason CHECK (((status = 'closed'::text) OR ((status = 'frozen'::text) = (COALESCE(frozen_itself, frozen_with_user) IS NOT NULL)))),
  constraint refused_for_a_reason CHECK ((refuse_incoming = ((NOT (frozen_itself IS DISTINCT FROM 'all'::text)) OR (NOT (frozen_with_user IS DISTINCT FROM 'all'::text)))))
) with (fillfactor=70);

create table address_key (
  key bytea not null,
  is_only boolean not null default true,
  constraint address_key_pkey PRIMARY KEY (is_only),
  constraint address_key_is_only_check CHECK (is_only),
  constraint address_key_key_check CHECK ((length(key) = 32))
);

create table approvals (
  book integer not null,
  id uuid not null,
  account_id uuid not null,
  direction text not null,
  currency text not null,
  amount numeric(38,0) not null,
  reason text not null,
  requested_by uuid not null,
  status text not null default 'pending'::text,
  decided_by uuid,
  decided_at timestamp with time zone,
  payment_id uuid,
  expires_at timestamp with time zone not null,
  created_at timestamp with time zone not null,
  constraint approvals_pkey PRIMARY KEY (book, id),
  constraint approvals_amount_check CHECK ((amount > (0)::numeric)),
  constraint approvals_check CHECK ((((status = 'pending'::text) = (decided_by IS NULL)) AND ((status = 'pending'::text) = (decided_at IS NULL)))),
  constraint approvals_check1 CHECK (((status = 'approved'::text) = (payment_id IS NOT NULL))),
  constraint approvals_check2 CHECK ((decided_by <> requested_by)),
  constraint approvals_direction_check CHECK ((direction = ANY (ARRAY['debit'::text, 'credit'::text]))),
  constraint approvals_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text])))
);

create table audit_log (
  book integer not null,
  id uuid not null,
  actor_id uuid,
  token_id uuid,
  action text not null,
  object_id uuid,
  detail bytea,
  address bytea,
  request_id text,
  created_at timestamp with time zone not null,
  txid xid8 not null default pg_current_xact_id(),
  constraint audit_log_pkey PRIMARY KEY (book, id)
);

create table bank_entries (
  book integer not null,
  id uuid not null,
  file_id uuid not null,
  account text not null,
  currency text not null,
  entry_key bytea not null,
  line integer not null,
  direction text not null,
  amount numeric(38,0) not null,
  reversal boolean not null,
  booking_date date,
  value_date date,
  end_to_end_id text,
  servicer_reference text,
  counterparty_name text,
  counterparty_account text,
  remittance text,
  status text not null,
  payment_id uuid,
  matched_by text,
  suggestions jsonb not null,
  created_at timestamp with time zone not null,
  statement integer not null default 0,
  told_key bytea,
  return_reason text,
  suspense_id uuid,
  batch_id uuid,
  stated boolean not null default false,
  other_key bytea,
  constraint bank_entries_pkey PRIMARY KEY (book, id),
  constraint bank_entries_book_account_entry_key_line_key UNIQUE (book, account, entry_key, line),
  constraint bank_entries_amount_check CHECK ((amount >= (0)::numeric)),
  constraint bank_entries_check CHECK (((status = 'matched'::text) = ((payment_id IS NOT NULL) AND (matched_by IS NOT NULL)))),
  constraint bank_entries_direction_check CHECK ((direction = ANY (ARRAY['in'::text, 'out'::text]))),
  constraint bank_entries_matched_by_check CHECK ((matched_by = ANY (ARRAY['reference'::text, 'amount'::text, 'operator'::text]))),
  constraint bank_entries_status_check CHECK ((status = ANY (ARRAY['due'::text, 'unmatched'::text, 'matched'::text, 'ignored'::text, 'suspense'::text]))),
  constraint suspended_has_item CHECK (((status <> 'suspense'::text) OR (suspense_id IS NOT NULL)))
);

create table bank_files (
  book integer not null,
  id uuid not null,
  sha256 bytea not null,
  kind text not null,
  version text not null,
  message_id text not null,
  outcome jsonb not null,
  uploaded_by uuid,
  created_at timestamp with time zone not null,
  settled_at timestamp with time zone,
  batch_id uuid,
  content bytea,
  status text,
  constraint bank_files_pkey PRIMARY KEY (book, id),
  constraint bank_files_book_sha256_key UNIQUE (book, sha256),
  constraint answer_has_order CHECK ((((kind = 'pain.002'::text) = (batch_id IS NOT NULL)) AND ((batch_id IS NULL) = (content IS NULL)))),
  constraint bank_files_kind_check CHECK ((kind = ANY (ARRAY['camt.053'::text, 'camt.054'::text, 'pain.002'::text])))
);

create table bank_statements (
  book integer not null,
  file_id uuid not null,
  number integer not null,
  kind text not null,
  account text not null,
  currency text not null,
  message_id text not null,
  statement_id text not null,
  content bytea not null,
  opening numeric(38,0),
  closing numeric(38,0),
  closing_date date,
  known_booked numeric(38,0) not null default 0,
  constraint bank_statements_pkey PRIMARY KEY (book, file_id, number),
  constraint bank_statements_book_account_kind_message_id_statement_id_key UNIQUE (book, account, kind, message_id, statement_id),
  constraint bank_statements_check CHECK ((((opening IS NULL) = (closing IS NULL)) AND ((closing IS NULL) = (closing_date IS NULL))))
);

create table blocks (
  book integer not null,
  number bigint not null,
  format smallint not null,
  previous bytea,
  up_to_txid xid8 not null,
  payments uuid[] not null,
  leaves integer not null,
  root bytea not null,
  first_at timestamp with time zone not null,
  last_at timestamp with time zone not null,
  key_id text not null,
  sealed_at timestamp with time zone not null,
  salt bytea not null,
  hash bytea not null,
  signature bytea not null,
  constraint blocks_pkey PRIMARY KEY (book, number),
  constraint blocks_check CHECK (((number > 0) AND ((number = 1) = (previous IS NULL)))),
  constraint blocks_check1 CHECK (((leaves > 0) AND (first_at <= last_at)))
);

create table books (
  book integer not null generated always as identity,
  name text not null,
  created_at timestamp with time zone not null,
  constraint books_pkey PRIMARY KEY (book),
  constraint books_name_key UNIQUE (name),
  constraint books_name_check CHECK ((name ~ '^[a-z][a-z0-9-]{0,31}$'::text))
);

create table currencies (
  book integer not null,
  code text not null,
  digits smallint not null,
  closed_at timestamp with time zone,
  constraint currencies_pkey PRIMARY KEY (book, code),
  constraint currencies_code_check CHECK ((code ~ '^[A-Z][A-Z0-9]{2,7}$'::text)),
  constraint currencies_digits_check CHECK (((digits >= 0) AND (digits <= 18)))
);

create table email_changes (
  book integer not null,
  id uuid not null,
  user_id uuid not null,
  email bytea,
  old_confirmed_at timestamp with time zone,
  new_confirmed_at timestamp with time zone,
  done_at timestamp with time zone,
  dropped_at timestamp with time zone,
  expires_at timestamp with time zone not null,
  created_at timestamp with time zone not null,
  constraint email_changes_pkey PRIMARY KEY (book, id),
  constraint email_changes_check CHECK (((done_at IS NULL) OR ((old_confirmed_at IS NOT NULL) AND (new_confirmed_at IS NOT NULL) AND (dropped_at IS NULL))))
);

create table erased_texts (
  book integer not null,
  object_id uuid not null,
  field text not null,
  hash bytea not null,
  constraint erased_texts_pkey PRIMARY KEY (book, object_id, field),
  constraint erased_texts_field_check CHECK ((field = ANY (ARRAY['description'::text, 'metadata'::text, 'detail'::text, 'address'::text])))
);

create table erasures (
  book integer not null,
  user_id uuid not null,
  known_as bytea,
  asked_at timestamp with time zone not null,
  txid xid8 not null default pg_current_xact_id(),
  constraint erasures_pkey PRIMARY KEY (book, user_id)
);

create table events (
  book integer not null,
  txid xid8 not null default pg_current_xact_id(),
  id uuid not null,
  type text not null,
  object_id uuid not null,
  created_at timestamp with time zone not null,
  state jsonb,
  texts bytea,
  viewer uuid,
  other_viewer uuid,
  constraint events_pkey PRIMARY KEY (book, txid, id)
) partition by range (id);

create table failed_attempts (
  key uuid not null,
  failures integer not null,
  next_at timestamp with time zone not null,
  forgotten_at timestamp with time zone not null,
  constraint failed_attempts_pkey PRIMARY KEY (key)
) with (fillfactor=50);

create table fee_schedules (
  book integer not null,
  id uuid not null,
  kind text not null,
  currency text not null,
  rail text,
  percent numeric(9,0),
  fixed numeric(38,0),
  minimum numeric(38,0),
  maximum numeric(38,0),
  tiers jsonb not null,
  valid_from timestamp with time zone not null,
  made_by uuid,
  created_at timestamp with time zone not null,
  constraint fee_schedules_pkey PRIMARY KEY (book, id),
  constraint ends_whole CHECK ((((percent IS NULL) = (fixed IS NULL)) AND ((percent IS NULL) = (minimum IS NULL)) AND ((percent IS NOT NULL) OR ((maximum IS NULL) AND (tiers = '[]'::jsonb))))),
  constraint fee_schedules_check CHECK (((kind = 'transfer'::text) = (rail IS NULL))),
  constraint fee_schedules_check1 CHECK (((fixed >= (0)::numeric) AND (minimum >= (0)::numeric) AND (maximum >= minimum))),
  constraint fee_schedules_check2 CHECK ((valid_from >= created_at)),
  constraint fee_schedules_kind_check CHECK ((kind = ANY (ARRAY['transfer'::text, 'deposit'::text, 'withdrawal'::text]))),
  constraint fee_schedules_percent_check CHECK (((percent >= (0)::numeric) AND (percent <= (100000000)::numeric))),
  constraint fee_schedules_rail_check CHECK ((rail = ANY (ARRAY['wire'::text, 'wallet'::text, 'crypto_currency'::text]))),
  constraint fee_schedules_tiers_check CHECK ((jsonb_typeof(tiers) = 'array'::text))
);

create table holds (
  book integer not null,
  payment_id uuid not null,
  expires_at timestamp with time zone not null,
  from_account uuid not null,
  to_account uuid not null,
  constraint holds_pkey PRIMARY KEY (book, payment_id)
);

create table idempotency_keys (
  book integer not null,
  key uuid not null,
  request_hash uuid not null,
  status smallint not null,
  answer bytea not null,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone,
  user_id uuid,
  constraint idempotency_keys_pkey PRIMARY KEY (book, key)
);

create table initiated (
  book integer not null,
  payment_id uuid not null,
  attempt_at timestamp with time zone not null,
  from_account uuid not null,
  to_account uuid not null,
  constraint initiated_pkey PRIMARY KEY (book, payment_id)
);

create table limit_turns (
  book integer not null,
  user_id uuid not null,
  taken_at timestamp with time zone not null,
  constraint limit_turns_pkey PRIMARY KEY (book, user_id)
) with (fillfactor=50);

create table mail_tokens (
  book integer not null,
  hash bytea not null,
  user_id uuid not null,
  purpose text not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  created_at timestamp with time zone not null default clock_timestamp(),
  email_change_id uuid,
  constraint mail_tokens_pkey PRIMARY KEY (book, hash),
  constraint mail_tokens_purpose CHECK (((purpose = ANY (ARRAY['confirm_email'::text, 'reset_password'::text])) OR ((purpose = ANY (ARRAY['change_email_old'::text, 'change_email_new'::text])) AND (email_change_id IS NOT NULL))))
);

create table payment_limits (
  book integer not null,
  id uuid not null,
  per text not null,
  user_id uuid,
  account_id uuid,
  kind text not null,
  currency text not null,
  span text not null,
  count bigint,
  sum numeric(38,0),
  made_by uuid,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  constraint payment_limits_pkey PRIMARY KEY (book, id),
  constraint payment_limits_once UNIQUE NULLS NOT DISTINCT (book, user_id, account_id, per, kind, currency, span),
  constraint payment_limits_check CHECK ((((per = 'user'::text) AND (account_id IS NULL)) OR ((per = 'account'::text) AND (user_id IS NULL)))),
  constraint payment_limits_check1 CHECK (((count >= 0) AND (sum >= (0)::numeric))),
  constraint payment_limits_check2 CHECK (((span <> 'payment'::text) OR (count IS NULL))),
  constraint payment_limits_kind_check CHECK ((kind = ANY (ARRAY['transfer'::text, 'conversion'::text, 'deposit'::text, 'withdrawal'::text]))),
  constraint payment_limits_span_check CHECK ((span = ANY (ARRAY['payment'::text, 'day'::text, 'month'::text])))
);

create table payment_transitions (
  from_status text not null,
  event text not null,
  to_status text not null,
  constraint payment_transitions_pkey PRIMARY KEY (from_status, event, to_status)
);

create table payments (
  book integer not null,
  id uuid not null,
  kind text not null,
  status text not null,
  decline_reason text,
  from_account uuid not null,
  to_account uuid not null,
  currency text not null,
  amount numeric(38,0) not null,
  fee numeric(38,0) not null,
  fee_payer text not null,
  refunded_amount numeric(38,0) not null default 0,
  refund_of uuid,
  capture text not null default 'automatic'::text,
  expires_at timestamp with time zone,
  rail text,
  rail_reference text,
  description bytea,
  metadata bytea,
  made_by uuid,
  asynchronous boolean not null,
  idempotency_key uuid,
  request_hash uuid,
  created_at timestamp with time zone not null,
  completed_at timestamp with time zone,
  updated_at timestamp with time zone not null,
  authorized_amount numeric(38,0),
  authorized_fee numeric(38,0),
  failure_reason text,
  quote_id uuid,
  exchange_currency text,
  exchange_amount numeric(38,0),
  exchange_rate text,
  schedule_id uuid,
  scheduled_for timestamp with time zone,
  constraint payments_pkey PRIMARY KEY (book, id),
  constraint authorized_whole CHECK ((((authorized_amount > '0'::numeric) AND (authorized_fee >= '0'::numeric)) OR ((authorized_amount IS NULL) AND (authorized_fee IS NULL)))),
  constraint exchange_whole CHECK ((((exchange_currency IS NULL) AND (exchange_amount IS NULL) AND (exchange_rate IS NULL)) OR ((exchange_currency IS NOT NULL) AND (exchange_amount >= '0'::numeric) AND (exchange_rate IS NOT NULL)))),
  constraint failed_has_reason CHECK (((status = 'failed'::text) = (failure_reason IS NOT NULL))),
  constraint payments_capture_check CHECK ((capture = ANY ('{automatic,manual}'::text[]))),
  constraint payments_check CHECK (((status = 'declined'::text) = (decline_reason IS NOT NULL))),
  constraint payments_check1 CHECK (((status = 'completed'::text) = (completed_at IS NOT NULL))),
  constraint payments_check2 CHECK (((amount > '0'::numeric) AND (fee >= '0'::numeric) AND ((fee_payer = 'sender'::text) OR (fee < amount) OR ((kind = 'refund'::text) AND (fee = amount))))),
  constraint payments_check3 CHECK (((refunded_amount >= '0'::numeric) AND (refunded_amount <= amount))),
  constraint payments_check4 CHECK (((idempotency_key IS NULL) = (request_hash IS NULL))),
  constraint payments_fee_payer_check CHECK ((fee_payer = ANY ('{sender,receiver}'::text[]))),
  constraint payments_kind_check CHECK ((kind = ANY ('{transfer,deposit,withdrawal,conversion,refund,bonus,adjustment}'::text[]))),
  constraint payments_status_check CHECK ((status = ANY ('{initiated,pending,completed,declined,canceled,failed,expired}'::text[]))),
  constraint pending_expires CHECK (((capture = 'automatic'::text) OR (expires_at IS NOT NULL))),
  constraint refund_of_payment CHECK (((kind = 'refund'::text) = (refund_of IS NOT NULL))),
  constraint scheduled_whole CHECK (((schedule_id IS NULL) = (scheduled_for IS NULL)))
);

create table posting_totals (
  book integer not null,
  before uuid not null,
  currency text not null,
  kind text not null,
  debit text not null,
  credit text not null,
  postings bigint not null,
  amount numeric(60,0) not null,
  constraint posting_totals_pkey PRIMARY KEY (book, before, currency, kind, debit, credit),
  constraint posting_totals_check CHECK (((postings > 0) AND (amount > (0)::numeric)))
);

create table postings (
  book integer not null,
  id uuid not null,
  payment_id uuid not null,
  kind text not null,
  currency text not null,
  amount numeric(38,0) not null,
  debit_account uuid not null,
  credit_account uuid not null,
  debit_balance numeric(38,0),
  credit_balance numeric(38,0),
  created_at timestamp with time zone not null,
  constraint postings_pkey PRIMARY KEY (book, id),
  constraint postings_amount_check CHECK ((amount > '0'::numeric)),
  constraint postings_check CHECK ((debit_account <> credit_account)),
  constraint postings_kind_check CHECK ((kind = ANY ('{transfer,deposit,withdrawal,conversion,refund,bonus,adjustment,fee}'::text[])))
);

create table quotes (
  book integer not null,
  id uuid not null,
  user_id uuid not null,
  from_currency text not null,
  to_currency text not null,
  from_amount numeric(38,0) not null,
  to_amount numeric(38,0) not null,
  rate text not null,
  mid_rate text not null,
  source text not null,
  valid_from timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  used_by uuid,
  created_at timestamp with time zone not null,
  constraint quotes_pkey PRIMARY KEY (book, id),
  constraint quotes_check CHECK ((from_currency <> to_currency)),
  constraint quotes_check1 CHECK (((from_amount > (0)::numeric) AND (to_amount > (0)::numeric)))
);

create table rail_instructions (
  book integer not null,
  payment_id uuid not null,
  rail text not null,
  direction text not null,
  state text not null default 'waiting'::text,
  destination bytea,
  shown bytea,
  attempts integer not null default 0,
  attempt_at timestamp with time zone,
  last_error text,
  created_at timestamp with time zone not null,
  confirmed_as text,
  account_id uuid,
  constraint rail_instructions_pkey PRIMARY KEY (book, payment_id),
  constraint rail_instructions_direction_check CHECK ((direction = ANY (ARRAY['in'::text, 'out'::text]))),
  constraint rail_instructions_rail_check CHECK ((rail = ANY (ARRAY['wire'::text, 'wallet'::text, 'crypto_currency'::text]))),
  constraint rail_instructions_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'submitted'::text, 'done'::text])))
);

create table rate_limits (
  key uuid not null,
  full_at timestamp with time zone not null,
  constraint rate_limits_pkey PRIMARY KEY (key)
) with (fillfactor=50);

create table rates (
  book integer not null,
  id uuid not null,
  from_currency text not null,
  to_currency text not null,
  numerator numeric(38,0) not null,
  denominator numeric(38,0) not null,
  source text not null,
  valid_from timestamp with time zone not null,
  made_by uuid,
  created_at timestamp with time zone not null,
  constraint rates_pkey PRIMARY KEY (book, id),
  constraint rates_check CHECK (((from_currency ~ '^[A-Z][A-Z0-9]{2,7}$'::text) AND (to_currency ~ '^[A-Z][A-Z0-9]{2,7}$'::text))),
  constraint rates_check1 CHECK ((from_currency <> to_currency)),
  constraint rates_check2 CHECK (((numerator > (0)::numeric) AND (denominator > (0)::numeric))),
  constraint rates_source_check CHECK ((source = ANY (ARRAY['ecb'::text, 'operator'::text])))
);

create table recovery_codes (
  book integer not null,
  user_id uuid not null,
  hash bytea not null,
  used_at timestamp with time zone,
  constraint recovery_codes_pkey PRIMARY KEY (book, user_id, hash)
);

create table rule_versions (
  book integer not null,
  version bigint not null,
  constraint rule_versions_pkey PRIMARY KEY (book)
);

create table schedules (
  book integer not null,
  id uuid not null,
  user_id uuid not null,
  from_account uuid not null,
  to_account uuid not null,
  currency text not null,
  amount numeric(38,0) not null,
  fee_payer text not null,
  description bytea,
  metadata bytea,
  every text,
  "interval" integer not null,
  time_zone text not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone,
  count integer,
  retry_times integer not null,
  retry_every_minutes integer not null,
  status text not null default 'active'::text,
  number integer not null default 0,
  due_at timestamp with time zone,
  attempts integer not null default 0,
  attempt_at timestamp with time zone,
  last_payment_id uuid,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  start_number integer not null default 0,
  constraint schedules_pkey PRIMARY KEY (book, id),
  constraint active_is_due CHECK (
CASE status
    WHEN 'active'::text THEN ((due_at IS NOT NULL) AND (attempt_at >= due_at))
    ELSE ((due_at IS NULL) AND (attempt_at IS NULL))
END),
  constraint schedules_amount_check CHECK ((amount > (0)::numeric)),
  constraint schedules_check CHECK ((from_account <> to_account)),
  constraint schedules_check1 CHECK ((ends_at >= starts_at)),
  constraint schedules_check2 CHECK (((retry_times >= 0) AND (retry_every_minutes > 0))),
  constraint schedules_check3 CHECK (((number >= 0) AND (attempts >= 0))),
  constraint schedules_count_check CHECK ((count > 0)),
  constraint schedules_every_check CHECK ((every = ANY (ARRAY['day'::text, 'week'::text, 'month'::text]))),
  constraint schedules_fee_payer_check CHECK ((fee_payer = ANY (ARRAY['sender'::text, 'receiver'::text]))),
  constraint schedules_interval_check CHECK ((("interval" >= 1) AND ("interval" <= 1000))),
  constraint schedules_status_check CHECK ((status = ANY (ARRAY['active'::text, 'paused'::text, 'canceled'::text, 'ended'::text]))),
  constraint starts_with_a_number CHECK ((start_number >= 0))
);

create table schema_migrations (
  version integer not null,
  name text not null,
  applied_at timestamp with time zone not null default now(),
  constraint schema_migrations_pkey PRIMARY KEY (version)
);

create table seal_keys (
  book integer not null,
  id text not null,
  public_key text not null,
  first_block bigint not null,
  created_at timestamp with time zone not null,
  constraint seal_keys_pkey PRIMARY KEY (book, id)
);

create table second_factors (
  book integer not null,
  user_id uuid not null,
  secret bytea not null,
  enrolled_at timestamp with time zone,
  last_step bigint not null default 0,
  attempts integer not null default 0,
  window_from timestamp with time zone not null,
  created_at timestamp with time zone not null,
  constraint second_factors_pkey PRIMARY KEY (book, user_id)
);

create table session_changes (
  book integer not null,
  user_id uuid not null,
  changed_at timestamp with time zone not null default clock_timestamp(),
  constraint session_changes_pkey PRIMARY KEY (book, changed_at, user_id)
);

create table suspense_items (
  book integer not null,
  id uuid not null,
  rail text not null,
  rail_reference text not null,
  direction text not null,
  currency text not null,
  amount numeric(38,0) not null,
  reason text not null,
  payment_id uuid not null,
  related_id uuid,
  resolved_by uuid,
  created_at timestamp with time zone not null,
  resolved_at timestamp with time zone,
  constraint suspense_items_pkey PRIMARY KEY (book, id),
  constraint suspense_items_book_rail_rail_reference_key UNIQUE (book, rail, rail_reference),
  constraint suspense_items_amount_check CHECK ((amount > (0)::numeric)),
  constraint suspense_items_check CHECK (((resolved_by IS NULL) = (resolved_at IS NULL))),
  constraint suspense_items_direction_check CHECK ((direction = ANY (ARRAY['in'::text, 'out'::text]))),
  constraint suspense_items_reason_check CHECK ((reason = ANY (ARRAY['unexpected'::text, 'wrong_amount'::text, 'late'::text, 'twice'::text, 'returned'::text])))
);

create table tokens (
  book integer not null,
  id uuid not null,
  user_id uuid not null,
  hash bytea not null,
  name bytea,
  scopes text[] not null,
  expires_at timestamp with time zone,
  last_used_at timestamp with time zone,
  revoked_at timestamp with time zone,
  created_at timestamp with time zone not null,
  kind text not null default 'token'::text,
  address bytea,
  proven_until timestamp with time zone,
  constraint tokens_pkey PRIMARY KEY (book, id),
  constraint tokens_book_hash_key UNIQUE (book, hash),
  constraint tokens_kind CHECK ((kind = ANY (ARRAY['session'::text, 'token'::text])))
);

create table user_keys (
  book integer not null,
  user_id uuid not null,
  key bytea not null,
  constraint user_keys_pkey PRIMARY KEY (book, user_id),
  constraint user_keys_key_check CHECK ((length(key) = 32))
);

create table users (
  book integer not null,
  id uuid not null,
  email bytea,
  email_key bytea not null,
  password_hash text,
  confirmed_at timestamp with time zone,
  role text not null default 'user'::text,
  all_books boolean not null default false,
  created_at timestamp with time zone not null,
  closed_at timestamp with time zone,
  frozen text,
  display_name bytea,
  erased_at timestamp with time zone,
  constraint users_pkey PRIMARY KEY (book, id),
  constraint users_book_email_key_key UNIQUE (book, email_key),
  constraint address_until_erased CHECK (((erased_at IS NOT NULL) OR (email IS NOT NULL))),
  constraint all_books_of_operators CHECK (((NOT all_books) OR (role <> 'user'::text))),
  constraint erased_is_closed CHECK (((erased_at IS NULL) OR (closed_at IS NOT NULL))),
  constraint users_frozen CHECK ((frozen = ANY (ARRAY['out'::text, 'all'::text]))),
  constraint users_role_check CHECK ((role = ANY (ARRAY['user'::text, 'auditor'::text, 'admin'::text])))
);

create table webhook_attempts (
  book integer not null,
  delivery_id uuid not null,
  number integer not null,
  url bytea not null,
  request_headers jsonb not null,
  address text,
  answer_status integer,
  answer_headers jsonb,
  answer_body bytea,
  error text,
  milliseconds integer not null,
  created_at timestamp with time zone not null,
  constraint webhook_attempts_pkey PRIMARY KEY (book, delivery_id, number),
  constraint webhook_attempts_check CHECK (((answer_status IS NULL) = (error IS NOT NULL))),
  constraint webhook_attempts_number_check CHECK ((number >= 1))
);

create table webhook_cursors (
  book integer not null,
  txid xid8 not null,
  event_id uuid not null,
  constraint webhook_cursors_pkey PRIMARY KEY (book)
);

create table webhook_deliveries (
  book integer not null,
  id uuid not null,
  webhook_id uuid not null,
  event_txid xid8 not null default pg_current_xact_id(),
  event_id uuid not null,
  event_type text not null,
  object_id uuid not null,
  body bytea not null,
  status text not null,
  attempts integer not null default 0,
  tries integer not null default 0,
  due_at timestamp with time zone not null,
  claimed_until timestamp with time zone,
  completed_at timestamp with time zone,
  created_at timestamp with time zone not null,
  constraint webhook_deliveries_pkey PRIMARY KEY (book, id),
  constraint webhook_deliveries_book_webhook_id_event_id_key UNIQUE (book, webhook_id, event_id),
  constraint webhook_deliveries_check CHECK (((status = 'pending'::text) = (completed_at IS NULL))),
  constraint webhook_deliveries_check1 CHECK (((status = 'pending'::text) OR (claimed_until IS NULL))),
  constraint webhook_deliveries_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text, 'skipped'::text])))
) with (fillfactor=80);

create table webhooks (
  book integer not null,
  id uuid not null,
  user_id uuid not null,
  url bytea,
  description bytea,
  events text[] not null,
  secret bytea not null,
  previous_secret bytea,
  previous_until timestamp with time zone,
  status text not null default 'active'::text,
  disabled_reason text,
  disabled_at timestamp with time zone,
  failing boolean not null default false,
  since_txid xid8 not null default pg_current_xact_id(),
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  constraint webhooks_pkey PRIMARY KEY (book, id),
  constraint webhooks_check CHECK (((previous_secret IS NULL) = (previous_until IS NULL))),
  constraint webhooks_check1 CHECK (((status = 'disabled'::text) = (disabled_reason IS NOT NULL))),
  constraint webhooks_check2 CHECK (((status = 'disabled'::text) = (disabled_at IS NOT NULL))),
  constraint webhooks_disabled_reason_check CHECK ((disabled_reason = ANY (ARRAY['by_owner'::text, 'failing'::text, 'gone'::text]))),
  constraint webhooks_events_check CHECK ((cardinality(events) >= 1)),
  constraint webhooks_status_check CHECK ((status = ANY (ARRAY['active'::text, 'disabled'::text, 'deleted'::text])))
);

create table wire_batch_payments (
  book integer not null,
  payment_id uuid not null,
  batch_id uuid not null,
  amount numeric(38,0) not null,
  rejection text,
  reject_reason text,
  rejected_by uuid,
  constraint wire_batch_payments_pkey PRIMARY KEY (book, payment_id),
  constraint rejection_of_file CHECK ((((rejection IS NULL) = (rejected_by IS NULL)) AND ((rejection IS NULL) = (reject_reason IS NULL)))),
  constraint wire_batch_payments_amount_check CHECK ((amount > (0)::numeric)),
  constraint wire_batch_payments_rejection_check CHECK ((rejection = ANY (ARRAY['due'::text, 'failed'::text, 'ignored'::text])))
);

create table wire_batches (
  book integer not null,
  id uuid not null,
  message_id text not null,
  version text not null,
  account text not null,
  currency text not null,
  requested_date date not null,
  payments integer not null,
  total numeric(38,0) not null,
  file bytea not null,
  created_by uuid,
  created_at timestamp with time zone not null,
  constraint wire_batches_pkey PRIMARY KEY (book, id),
  constraint wire_batches_book_message_id_key UNIQUE (book, message_id),
  constraint wire_batches_check CHECK (((payments > 0) AND (total > (0)::numeric))),
  constraint wire_batches_version_check CHECK ((version = ANY (ARRAY['03'::text, '09'::text])))
);

alter table accounts add constraint accounts_book_currency_fkey FOREIGN KEY (book, currency) REFERENCES currencies(book, code);
alter table accounts add constraint accounts_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table accounts add constraint accounts_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table approvals add constraint approvals_book_account_id_fkey FOREIGN KEY (book, account_id) REFERENCES accounts(book, id);
alter table approvals add constraint approvals_book_currency_fkey FOREIGN KEY (book, currency) REFERENCES currencies(book, code);
alter table bank_entries add constraint bank_entries_book_batch_id_fkey FOREIGN KEY (book, batch_id) REFERENCES wire_batches(book, id);
alter table bank_entries add constraint bank_entries_book_currency_fkey FOREIGN KEY (book, currency) REFERENCES currencies(book, code);
alter table bank_entries add constraint bank_entries_book_file_id_fkey FOREIGN KEY (book, file_id) REFERENCES bank_files(book, id);
alter table bank_files add constraint bank_files_book_batch_id_fkey FOREIGN KEY (book, batch_id) REFERENCES wire_batches(book, id);
alter table bank_files add constraint bank_files_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table bank_statements add constraint bank_statements_book_currency_fkey FOREIGN KEY (book, currency) REFERENCES currencies(book, code);
alter table bank_statements add constraint bank_statements_book_file_id_fkey FOREIGN KEY (book, file_id) REFERENCES bank_files(book, id);
alter table blocks add constraint blocks_book_key_id_fkey FOREIGN KEY (book, key_id) REFERENCES seal_keys(book, id);
alter table currencies add constraint currencies_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table email_changes add constraint email_changes_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table erasures add constraint erasures_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table fee_schedules add constraint fee_schedules_book_currency_fkey FOREIGN KEY (book, currency) REFERENCES currencies(book, code);
alter table fee_schedules add constraint fee_schedules_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table mail_tokens add constraint mail_tokens_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table mail_tokens add constraint mail_tokens_email_change FOREIGN KEY (book, email_change_id) REFERENCES email_changes(book, id);
alter table payment_limits add constraint payment_limits_book_account_id_fkey FOREIGN KEY (book, account_id) REFERENCES accounts(book, id);
alter table payment_limits add constraint payment_limits_book_currency_fkey FOREIGN KEY (book, currency) REFERENCES currencies(book, code);
alter table payment_limits add constraint payment_limits_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table payment_limits add constraint payment_limits_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table quotes add constraint quotes_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table quotes add constraint quotes_book_from_currency_fkey FOREIGN KEY (book, from_currency) REFERENCES currencies(book, code);
alter table quotes add constraint quotes_book_to_currency_fkey FOREIGN KEY (book, to_currency) REFERENCES currencies(book, code);
alter table quotes add constraint quotes_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table rates add constraint rates_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table recovery_codes add constraint recovery_codes_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table rule_versions add constraint rule_versions_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table schedules add constraint schedules_book_currency_fkey FOREIGN KEY (book, currency) REFERENCES currencies(book, code);
alter table schedules add constraint schedules_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table schedules add constraint schedules_book_from_account_fkey FOREIGN KEY (book, from_account) REFERENCES accounts(book, id);
alter table schedules add constraint schedules_book_to_account_fkey FOREIGN KEY (book, to_account) REFERENCES accounts(book, id);
alter table schedules add constraint schedules_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table seal_keys add constraint seal_keys_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table second_factors add constraint second_factors_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table suspense_items add constraint suspense_items_book_currency_fkey FOREIGN KEY (book, currency) REFERENCES currencies(book, code);
alter table tokens add constraint tokens_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table users add constraint users_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table webhook_attempts add constraint webhook_attempts_book_delivery_id_fkey FOREIGN KEY (book, delivery_id) REFERENCES webhook_deliveries(book, id);
alter table webhook_cursors add constraint webhook_cursors_book_fkey FOREIGN KEY (book) REFERENCES books(book);
alter table webhook_deliveries add constraint webhook_deliveries_book_webhook_id_fkey FOREIGN KEY (book, webhook_id) REFERENCES webhooks(book, id);
alter table webhooks add constraint webhooks_book_user_id_fkey FOREIGN KEY (book, user_id) REFERENCES users(book, id);
alter table wire_batch_payments add constraint wire_batch_payments_book_batch_id_fkey FOREIGN KEY (book, batch_id) REFERENCES wire_batches(book, id);
alter table wire_batches add constraint wire_batches_book_currency_fkey FOREIGN KEY (book, currency) REFERENCES currencies(book, code);
alter table wire_batches add constraint wire_batches_book_fkey FOREIGN KEY (book) REFERENCES books(book);

CREATE INDEX accounts_by_code ON public.accounts USING btree (book, code, id) WHERE (code IS NOT NULL);
CREATE INDEX accounts_by_user ON public.accounts USING btree (book, user_id, id) WHERE (user_id IS NOT NULL);
CREATE INDEX accounts_to_pay ON public.accounts USING btree (book, user_id, currency, id) WHERE ((user_id IS NOT NULL) AND (status = 'active'::text));
CREATE INDEX audit_log_by_transaction ON public.audit_log USING btree (book, txid, id);
CREATE INDEX bank_entries_by_other_key ON public.bank_entries USING btree (book, account, other_key) WHERE (other_key IS NOT NULL);
CREATE INDEX bank_entries_by_status ON public.bank_entries USING btree (book, status, id);
CREATE INDEX bank_entries_of_order ON public.bank_entries USING btree (book, account, end_to_end_id) WHERE (batch_id IS NOT NULL);
CREATE UNIQUE INDEX bank_entries_of_payment ON public.bank_entries USING btree (book, payment_id) WHERE (status = 'matched'::text);
CREATE INDEX bank_entries_told ON public.bank_entries USING btree (book, account, told_key) WHERE (told_key IS NOT NULL);
CREATE UNIQUE INDEX bank_files_by_batch ON public.bank_files USING btree (book, batch_id, message_id) WHERE (batch_id IS NOT NULL);
CREATE INDEX bank_files_unsettled ON public.bank_files USING btree (book, id) WHERE (settled_at IS NULL);
CREATE INDEX blocks_by_time ON public.blocks USING btree (book, last_at, number);
CREATE INDEX currencies_closed ON public.currencies USING btree (book, code) WHERE (closed_at IS NOT NULL);
CREATE UNIQUE INDEX email_changes_open ON public.email_changes USING btree (book, user_id) WHERE ((done_at IS NULL) AND (dropped_at IS NULL));
CREATE INDEX events_by_object ON ONLY public.events USING btree (book, object_id);
CREATE INDEX events_by_other_viewer ON ONLY public.events USING btree (book, other_viewer, txid, id) WHERE (other_viewer IS NOT NULL);
CREATE INDEX events_by_viewer ON ONLY public.events USING btree (book, viewer, txid, id) WHERE (viewer IS NOT NULL);
CREATE INDEX failed_attempts_by_time ON public.failed_attempts USING btree (forgotten_at);
CREATE INDEX fee_schedules_by_payment ON public.fee_schedules USING btree (book, kind, currency, rail, valid_from, id);
CREATE INDEX holds_by_expiry ON public.holds USING btree (book, expires_at, payment_id);
CREATE INDEX holds_by_receiver ON public.holds USING btree (book, to_account, payment_id);
CREATE INDEX holds_by_sender ON public.holds USING btree (book, from_account, payment_id);
CREATE INDEX idempotency_keys_by_user ON public.idempotency_keys USING btree (book, user_id) WHERE (user_id IS NOT NULL);
CREATE INDEX idempotency_keys_expired ON public.idempotency_keys USING btree (expires_at) WHERE (expires_at IS NOT NULL);
CREATE INDEX initiated_by_receiver ON public.initiated USING btree (book, to_account, payment_id);
CREATE INDEX initiated_by_sender ON public.initiated USING btree (book, from_account, payment_id);
CREATE INDEX mail_tokens_by_user ON public.mail_tokens USING btree (book, user_id, purpose, created_at);
CREATE INDEX payment_limits_by_account ON public.payment_limits USING btree (book, account_id) WHERE (account_id IS NOT NULL);
CREATE INDEX payments_by_original ON public.payments USING btree (book, refund_of, id) WHERE (refund_of IS NOT NULL);
CREATE INDEX payments_by_receiver ON public.payments USING btree (book, to_account, id);
CREATE INDEX payments_by_schedule ON public.payments USING btree (book, schedule_id, id) WHERE (schedule_id IS NOT NULL);
CREATE INDEX payments_by_sender ON public.payments USING btree (book, from_account, id);
CREATE UNIQUE INDEX payments_idempotency ON public.payments USING btree (book, idempotency_key) WHERE (idempotency_key IS NOT NULL);
CREATE INDEX postings_by_credit ON public.postings USING btree (book, credit_account, id);
CREATE INDEX postings_by_debit ON public.postings USING btree (book, debit_account, id);
CREATE INDEX postings_by_payment ON public.postings USING btree (book, payment_id);
CREATE INDEX rail_instructions_due ON public.rail_instructions USING btree (book, rail, attempt_at, payment_id) WHERE (attempt_at IS NOT NULL);
CREATE INDEX rail_instructions_open ON public.rail_instructions USING btree (book, payment_id) WHERE (state <> 'done'::text);
CREATE INDEX rail_instructions_open_by_account ON public.rail_instructions USING btree (book, account_id, payment_id) WHERE ((direction = 'out'::text) AND (state <> 'done'::text));
CREATE INDEX rail_instructions_to_collect ON public.rail_instructions USING btree (book, rail, payment_id) WHERE ((state = 'waiting'::text) AND (attempt_at IS NULL));
CREATE INDEX rate_limits_by_time ON public.rate_limits USING btree (full_at);
CREATE INDEX rates_by_pair ON public.rates USING btree (book, from_currency, to_currency, valid_from, id);
CREATE UNIQUE INDEX rates_of_files ON public.rates USING btree (book, from_currency, to_currency, valid_from) WHERE (source = 'ecb'::text);
CREATE INDEX schedules_by_user ON public.schedules USING btree (book, user_id, id);
CREATE INDEX schedules_due ON public.schedules USING btree (book, attempt_at, id) WHERE (status = 'active'::text);
CREATE INDEX session_changes_by_time ON public.session_changes USING btree (changed_at);
CREATE INDEX suspense_items_by_payment ON public.suspense_items USING btree (book, related_id) WHERE (related_id IS NOT NULL);
CREATE INDEX tokens_by_user ON public.tokens USING btree (book, user_id, id);
CREATE INDEX webhook_deliveries_by_webhook ON public.webhook_deliveries USING btree (book, webhook_id, id);
CREATE INDEX webhook_deliveries_due ON public.webhook_deliveries USING btree (book, webhook_id, due_at) WHERE ((status = 'pending'::text) AND (due_at IS NOT NULL));
CREATE INDEX webhook_deliveries_in_line ON public.webhook_deliveries USING btree (book, webhook_id, object_id, event_txid, event_id) WHERE (status = 'pending'::text);
CREATE INDEX webhooks_by_user ON public.webhooks USING btree (book, user_id, id) WHERE (status <> 'deleted'::text);
CREATE INDEX wire_batch_payments_by_batch ON public.wire_batch_payments USING btree (book, batch_id, payment_id);
CREATE INDEX wire_batch_payments_rejected ON public.wire_batch_payments USING btree (book, payment_id) WHERE (rejection = 'due'::text);

create view account_payments as
 SELECT p.from_account AS account_id,
    'from'::text AS side,
    p.book,
    p.id,
    p.kind,
    p.status,
    p.decline_reason,
    p.from_account,
    p.to_account,
    p.currency,
    p.amount,
    p.fee,
    p.fee_payer,
    p.refunded_amount,
    p.refund_of,
    p.capture,
    p.expires_at,
    p.rail,
    p.rail_reference,
    p.description,
    p.metadata,
    p.made_by,
    p.asynchronous,
    p.idempotency_key,
    p.request_hash,
    p.created_at,
    p.completed_at,
    p.updated_at,
    p.authorized_amount,
    p.authorized_fee,
    p.failure_reason,
    p.quote_id,
    p.exchange_currency,
    p.exchange_amount,
    p.exchange_rate,
    p.schedule_id,
    p.scheduled_for
   FROM payments p
UNION ALL
 SELECT p.to_account AS account_id,
    'to'::text AS side,
    p.book,
    p.id,
    p.kind,
    p.status,
    p.decline_reason,
    p.from_account,
    p.to_account,
    p.currency,
    p.amount,
    p.fee,
    p.fee_payer,
    p.refunded_amount,
    p.refund_of,
    p.capture,
    p.expires_at,
    p.rail,
    p.rail_reference,
    p.description,
    p.metadata,
    p.made_by,
    p.asynchronous,
    p.idempotency_key,
    p.request_hash,
    p.created_at,
    p.completed_at,
    p.updated_at,
    p.authorized_amount,
    p.authorized_fee,
    p.failure_reason,
    p.quote_id,
    p.exchange_currency,
    p.exchange_amount,
    p.exchange_rate,
    p.schedule_id,
    p.scheduled_for
   FROM payments p;

create view being_erased as
 SELECT e.book,
    e.user_id
   FROM erasures e
     JOIN users u ON u.book = e.book AND u.id = e.user_id
  WHERE u.erased_at IS NOT NULL;

create view operations as
 SELECT postings.book,
    postings.id AS posting_id,
    'debit'::text AS direction,
    postings.debit_account AS account_id,
    postings.payment_id,
    postings.kind,
    postings.currency,
    postings.amount,
    postings.debit_balance AS balance_after,
    postings.created_at
   FROM postings
UNION ALL
 SELECT postings.book,
    postings.id AS posting_id,
    'credit'::text AS direction,
    postings.credit_account AS account_id,
    postings.payment_id,
    postings.kind,
    postings.currency,
    postings.amount,
    postings.credit_balance AS balance_after,
    postings.created_at
   FROM postings;

create view user_events as
 SELECT events.book,
    events.viewer AS user_id,
    events.txid,
    events.id
   FROM events
UNION ALL
 SELECT events.book,
    events.other_viewer AS user_id,
    events.txid,
    events.id
   FROM events;

CREATE OR REPLACE FUNCTION public.account_owner(of_book integer, of_account uuid)
 RETURNS uuid
 LANGUAGE sql
 STABLE STRICT
RETURN (SELECT a.user_id FROM accounts a WHERE ((a.book = account_owner.of_book) AND (a.id = account_owner.of_account)))
;
CREATE OR REPLACE FUNCTION public.address_hash(address text)
 RETURNS bytea
 LANGUAGE sql
 STABLE STRICT
RETURN (SELECT hmac(convert_to(address_hash.address, 'UTF8'::name), a.key, 'sha256'::text) AS hmac FROM address_key a)
;
CREATE OR REPLACE FUNCTION public.address_owner(subject uuid, actor_id uuid)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN ((actor_id IS NULL) OR (actor_id = subject)) THEN subject ELSE NULL::uuid END
;
CREATE OR REPLACE FUNCTION public.decrypted(of_book integer, of_user uuid, content bytea)
 RETURNS text
 LANGUAGE sql
 STABLE STRICT
RETURN (SELECT convert_from(decrypt_iv(substr(decrypted.content, 21), sha256((k.key || '\x6669656c6473'::bytea)), substr(decrypted.content, 5, 16), 'aes-cbc'::text), 'UTF8'::name) AS convert_from FROM user_keys k WHERE ((k.book = decrypted.of_book) AND (k.user_id = decrypted.of_user) AND (substr(decrypted.content, 1, 4) = substr(sha256((k.key || '\x6964'::bytea)), 1, 4))))
;
CREATE OR REPLACE FUNCTION public.encrypted(of_book integer, of_user uuid, content text)
 RETURNS bytea
 LANGUAGE sql
 STRICT
RETURN (SELECT encrypted_under(k.key, encrypted.content) AS encrypted_under FROM user_keys k WHERE ((k.book = encrypted.of_book) AND (k.user_id = encrypted.of_user)))
;
CREATE OR REPLACE FUNCTION public.encrypted_under(key bytea, content text)
 RETURNS bytea
 LANGUAGE sql
 STRICT
RETURN (SELECT ((substr(sha256((encrypted_under.key || '\x6964'::bytea)), 1, 4) || v.iv) || encrypt_iv(convert_to(encrypted_under.content, 'UTF8'::name), sha256((encrypted_under.key || '\x6669656c6473'::bytea)), v.iv, 'aes-cbc'::text)) FROM (SELECT gen_random_bytes(16) AS iv) v)
;
CREATE OR REPLACE FUNCTION public.erase_audit_lines(of_book integer, of_user uuid, ids uuid[])
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    with texts as materialized (
      select l.id, k.key, shown_text(of_book, of_user, l.detail) as detail,
             address_owner(of_user, l.actor_id) = of_user as has_own_address,
             case when address_owner(of_user, l.actor_id) = of_user then shown_text(of_book, of_user, l.address) end as address
        from unnest(ids) as wanted (id)
        join audit_log l on l.book = of_book and l.id = wanted.id
        left join user_keys k on k.book = of_book and k.user_id = of_user
        join being_erased e on e.book = of_book and e.user_id = of_user
       where line_subject(l.action, l.object_id, l.actor_id) = of_user
    ), kept as (
      insert into erased_texts (book, object_id, field, hash)
      select of_book, t.id, f.field, text_hash(t.key, t.id, f.field, f.content)
        from texts t
       cross join lateral (values ('detail', t.detail), ('address', t.address)) f (field, content)
       where f.content is not null and t.key is not null
          on conflict (book, object_id, field) do nothing
    ), gone as (
      update audit_log l
         set detail = null, address = case when t.has_own_address is not true then l.address end
        from texts t where l.book = of_book and l.id = t.id
      returning 1
    )
    select count(*) from gone
  $function$
;
CREATE OR REPLACE FUNCTION public.erase_deliveries(of_book integer, of_user uuid, most integer)
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    with picked as materialized (
      select d.book, d.id
        from being_erased e
        join webhooks w on w.book = e.book and w.user_id = e.user_id
        join webhook_deliveries d on d.book = w.book and d.webhook_id = w.id
       where e.book = of_book and e.user_id = of_user
         and (d.claimed_until is null or d.claimed_until < clock_timestamp())  -- what is being sent is noted soon
       limit most
    ), attempts as (
      delete from webhook_attempts a using picked s where a.book = s.book and a.delivery_id = s.id
    ), gone as (
      delete from webhook_deliveries d using picked s where d.book = s.book and d.id = s.id
      returning 1
    )
    select count(*) from gone
  $function$
;
CREATE OR REPLACE FUNCTION public.erase_events(of_book integer, of_user uuid, behind xid8, behind_id uuid, most integer)
 RETURNS TABLE(last_txid text, last_id uuid)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
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
  $function$
;
CREATE OR REPLACE FUNCTION public.erase_payments(of_book integer, of_user uuid, of_account uuid, behind uuid, most integer)
 RETURNS uuid
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    with looked as materialized (
      (select p.id from payments p
        where p.book = of_book and p.from_account = of_account and p.id > behind order by p.id limit most)
      union
      (select p.id from payments p
        where p.book = of_book and p.to_account = of_account and p.id > behind order by p.id limit most)
      order by id limit most
    ), own as materialized (
      select p.id, p.description is not null or p.metadata is not null as has_texts, k.key,
             shown_text(of_book, of_user, p.description) as description, shown_text(of_book, of_user, p.metadata) as metadata
        from looked l
        join payments p on p.book = of_book and p.id = l.id
        left join user_keys k on k.book = of_book and k.user_id = of_user
        join being_erased e on e.book = of_book and e.user_id = of_user
        left join accounts s on s.book = p.book and s.id = p.from_account
        left join accounts r on r.book = p.book and r.id = p.to_account
       where text_owner(p.kind, s.user_id, r.user_id) = of_user
    ), texts as materialized (
      select o.* from own o where o.has_texts
    ), kept as (
      insert into erased_texts (book, object_id, field, hash)
      select of_book, t.id, f.field, text_hash(t.key, t.id, f.field, f.content)
        from texts t
       cross join lateral (values ('description', t.description), ('metadata', t.metadata)) f (field, content)
       where f.content is not null and t.key is not null
          on conflict (book, object_id, field) do nothing
    ), gone as (
      update payments p set description = null, metadata = null from texts t where p.book = of_book and p.id = t.id
    ), untold as (
      update rail_instructions i set destination = null, shown = null, last_error = null
        from own o where i.book = of_book and i.payment_id = o.id
    )
    select (array_agg(l.id order by l.id desc))[1] from looked l
  $function$
;
CREATE OR REPLACE FUNCTION public.finish_erasure(of_book integer, of_user uuid)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
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
  $function$
;
CREATE OR REPLACE FUNCTION public.forget_deliveries(of_book integer, before timestamp with time zone, behind uuid, most integer)
 RETURNS TABLE(gone bigint, last_id uuid)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    with looked as materialized (
      select d.book, d.id, d.created_at, d.completed_at
        from webhook_deliveries d
       where d.book = of_book and d.id > behind
       order by d.id
       limit most
    ), old as materialized (
      select l.book, l.id from looked l where l.completed_at < least(before, now() - interval '1 day')
    ), forgotten as (
      -- As it is now, behind whoever had it locked.
      delete from webhook_deliveries d using old o
       where d.book = o.book and d.id = o.id and d.completed_at < least(before, now() - interval '1 day')
      returning d.book, d.id
    ), attempts as (
      delete from webhook_attempts a using forgotten f where a.book = f.book and a.delivery_id = f.id
    )
    select (select count(*) from forgotten),
           (select case when l.created_at < before then l.id end from looked l order by l.id desc limit 1)
  $function$
;
CREATE OR REPLACE FUNCTION public.in_any_case(content text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN upper((content COLLATE pg_unicode_fast))
;
CREATE OR REPLACE FUNCTION public.keep_event_partitions(keep_days integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET lock_timeout TO '500ms'
AS $function$
  declare
    today   constant date := (clock_timestamp() at time zone 'UTC')::date;
    kept    constant date := today - greatest(keep_days, 1);
    id_at   constant text := $id$ (lpad(to_hex(extract(epoch from %L::timestamptz)::bigint * 1000), 12, '0') || '70008000000000000000')::uuid $id$;
    needed  constant text := $needed$
      select exists (
        select from public.books k
         where exists (select from public.%1$I e
                        where e.book = k.book and e.id < %2$L
                          and e.txid > coalesce((select b.up_to_txid from public.blocks b where b.book = k.book
                                                  order by b.number desc limit 1), '0')
                          and e.type in ('payment.completed', 'payment.declined', 'payment.canceled', 'payment.failed',
                                         'payment.expired'))
            or exists (select from public.%1$I e
                        where e.book = k.book and e.id < %2$L
                          and e.txid > (select w.txid from public.webhook_cursors w where w.book = k.book))) $needed$;
    day     date;
    name    text;
    first   uuid;
    next    uuid;
    is_needed boolean;
    changed integer := 0;
  begin
    if not pg_try_advisory_xact_lock(hashtext('keep_event_partitions')) then return 0; end if;
    for day in select today + ahead from generate_series(0, 3) as ahead loop
      execute 'select' || format(id_at, day::timestamp at time zone 'UTC') into first;
      execute 'select' || format(id_at, (day + 1)::timestamp at time zone 'UTC') into next;
      name := to_char(day, '"events_"YYYYMMDD');
      continue when to_regclass(format('public.%I', name)) is not null;
      begin
        execute format('create table public.%I (like public.events including all)', name);
        execute format('alter table public.events attach partition public.%I for values from (%L) to (%L)', name, first, next);
        changed := changed + 1;
      exception when check_violation or invalid_object_definition then
        -- Some of that day lie elsewhere already: so will the others.
        null;
      end;
    end loop;

    execute 'select' || format(id_at, kept::timestamp at time zone 'UTC') into first;
    for day in select to_date(substr(c.relname, 8), 'YYYYMMDD') as of
                 from pg_inherits i join pg_class c on c.oid = i.inhrelid
                where i.inhparent = 'public.events'::regclass and c.relname ~ '^events_\d{8}$'
                  and to_date(substr(c.relname, 8), 'YYYYMMDD') < kept
                order by 1 loop
      execute format(needed, to_char(day, '"events_"YYYYMMDD'), first) into is_needed;
      exit when is_needed;
      execute format('drop table public.%I', to_char(day, '"events_"YYYYMMDD'));
      changed := changed + 1;
    end loop;

    execute format(needed, 'events_other', first) into is_needed;
    if not is_needed then delete from public.events_other where id < first; end if;
    return changed;
  end
  $function$
;
CREATE OR REPLACE FUNCTION public.line_subject(action text, object_id uuid, actor_id uuid)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN ((action ~~ 'user.%'::text) OR (action ~~ 'otp.%'::text)) THEN object_id WHEN ((action ~~ 'token.%'::text) OR (action = 'access.refuse'::text)) THEN actor_id ELSE NULL::uuid END
;
CREATE OR REPLACE FUNCTION public.move_payments(book_of integer, at timestamp with time zone, ids uuid[], events text[], statuses text[], reasons text[], amounts numeric[], fees numeric[])
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  with moved as (
    update payments p
       set status         = v.status,
           decline_reason = case v.status when 'declined' then v.reason end,
           failure_reason = case v.status when 'failed' then v.reason end,
           completed_at   = case v.status when 'completed' then at end,
           amount         = coalesce(v.amount, p.amount),
           fee            = coalesce(v.fee, p.fee),
           updated_at     = at
      from (select book_of as book, * from unnest(ids, events, statuses, reasons, amounts, fees)
                                        as rows (id, event, status, reason, amount, fee)
            offset 0) as v
     where p.book = v.book and p.id = v.id and v.event <> 'refund'
       and exists (select from payment_transitions t
                    where t.from_status = p.status and t.event = v.event and t.to_status = v.status)
    returning 1
  )
  select count(*)::int from moved
$function$
;
CREATE OR REPLACE FUNCTION public.shown_name(of_book integer, of_user uuid, display_name bytea, email bytea)
 RETURNS text
 LANGUAGE sql
 STABLE
RETURN CASE WHEN (of_user IS NOT NULL) THEN COALESCE(decrypted(of_book, of_user, display_name), decrypted(of_book, of_user, email), 'erased user'::text) ELSE NULL::text END
;
CREATE OR REPLACE FUNCTION public.shown_text(of_book integer, of_user uuid, content bytea)
 RETURNS text
 LANGUAGE sql
 STABLE
RETURN CASE get_byte(content, 0) WHEN 0 THEN convert_from(substr(content, 2), 'UTF8'::name) ELSE decrypted(of_book, of_user, substr(content, 2)) END
;
CREATE OR REPLACE FUNCTION public.stored_text(of_book integer, of_user uuid, content text)
 RETURNS bytea
 LANGUAGE sql
RETURN COALESCE(('\x01'::bytea || encrypted(of_book, of_user, content)), ('\x00'::bytea || convert_to(content, 'UTF8'::name)))
;
CREATE OR REPLACE FUNCTION public.text_hash(key bytea, id uuid, field text, content text)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE
AS $function$ select sha256(sha256(key || uuid_send(id) || convert_to(field, 'UTF8')) || convert_to(content, 'UTF8')) $function$
;
CREATE OR REPLACE FUNCTION public.text_owner(kind text, sender uuid, receiver uuid)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN (kind <> ALL (ARRAY['bonus'::text, 'adjustment'::text])) THEN COALESCE(sender, receiver) ELSE NULL::uuid END
;
CREATE OR REPLACE FUNCTION public.webhook_owner(of_book integer, of_webhook uuid)
 RETURNS uuid
 LANGUAGE sql
 STABLE STRICT
RETURN (SELECT w.user_id FROM webhooks w WHERE ((w.book = webhook_owner.of_book) AND (w.id = webhook_owner.of_webhook)))
;

grant usage on schema public to billing_gateway;

grant select on account_payments to billing_gateway;
grant insert, select on accounts to billing_gateway;
grant select on address_key to billing_gateway;
grant insert, select on approvals to billing_gateway;
grant insert, select on audit_log to billing_gateway;
grant insert, select on bank_entries to billing_gateway;
grant insert, select on bank_files to billing_gateway;
grant insert, select on bank_statements to billing_gateway;
grant select on being_erased to billing_gateway;
grant insert, select on blocks to billing_gateway;
grant insert, select on books to billing_gateway;
grant insert, select on currencies to billing_gateway;
grant insert, select on email_changes to billing_gateway;
grant select on erased_texts to billing_gateway;
grant insert, select on erasures to billing_gateway;
grant insert, select on events to billing_gateway;
grant delete, insert, select on failed_attempts to billing_gateway;
grant insert, select on fee_schedules to billing_gateway;
grant delete, insert, select on holds to billing_gateway;
grant delete, insert, select on idempotency_keys to billing_gateway;
grant delete, insert, select on initiated to billing_gateway;
grant insert, select on limit_turns to billing_gateway;
grant insert, select on mail_tokens to billing_gateway;
grant select on operations to billing_gateway;
grant delete, insert, select on payment_limits to billing_gateway;
grant select on payment_transitions to billing_gateway;
grant insert, select on payments to billing_gateway;
grant insert, select on posting_totals to billing_gateway;
grant insert, select on postings to billing_gateway;
grant insert, select on quotes to billing_gateway;
grant insert, select on rail_instructions to billing_gateway;
grant delete, insert, select on rate_limits to billing_gateway;
grant insert, select on rates to billing_gateway;
grant delete, insert, select on recovery_codes to billing_gateway;
grant insert, select on rule_versions to billing_gateway;
grant insert, select on schedules to billing_gateway;
grant select on schema_migrations to billing_gateway;
grant insert, select on seal_keys to billing_gateway;
grant delete, insert, select on second_factors to billing_gateway;
grant delete, insert, select on session_changes to billing_gateway;
grant insert, select on suspense_items to billing_gateway;
grant insert, select on tokens to billing_gateway;
grant select on user_events to billing_gateway;
grant insert, select on user_keys to billing_gateway;
grant insert, select on users to billing_gateway;
grant insert, select on webhook_attempts to billing_gateway;
grant insert, select on webhook_cursors to billing_gateway;
grant insert, select on webhook_deliveries to billing_gateway;
grant insert, select on webhooks to billing_gateway;
grant insert, select on wire_batch_payments to billing_gateway;
grant insert, select on wire_batches to billing_gateway;

grant update (name, status, balance, held, overdraft_limit, metadata, updated_at, frozen_itself, frozen_with_user, refuse_incoming) on accounts to billing_gateway;
grant update (status, decided_by, decided_at, payment_id) on approvals to billing_gateway;
grant update (status, payment_id, matched_by, suspense_id, stated, other_key) on bank_entries to billing_gateway;
grant update (outcome, settled_at) on bank_files to billing_gateway;
grant update (closed_at) on currencies to billing_gateway;
grant update (old_confirmed_at, new_confirmed_at, done_at, dropped_at) on email_changes to billing_gateway;
grant update (failures, next_at, forgotten_at) on failed_attempts to billing_gateway;
grant update (answer) on idempotency_keys to billing_gateway;
grant update (attempt_at) on initiated to billing_gateway;
grant update (taken_at) on limit_turns to billing_gateway;
grant update (used_at) on mail_tokens to billing_gateway;
grant update (count, sum, made_by, updated_at) on payment_limits to billing_gateway;
grant update (refunded_amount, rail_reference, updated_at) on payments to billing_gateway;
grant update (used_by) on quotes to billing_gateway;
grant update (state, attempts, attempt_at, last_error, confirmed_as) on rail_instructions to billing_gateway;
grant update (full_at) on rate_limits to billing_gateway;
grant update (used_at) on recovery_codes to billing_gateway;
grant update (version) on rule_versions to billing_gateway;
grant update (amount, fee_payer, description, metadata, starts_at, ends_at, count, retry_times, retry_every_minutes, status, number, due_at, attempts, attempt_at, last_payment_id, updated_at, start_number) on schedules to billing_gateway;
grant update (secret, enrolled_at, last_step, attempts, window_from, created_at) on second_factors to billing_gateway;
grant update (resolved_by, resolved_at) on suspense_items to billing_gateway;
grant update (last_used_at, revoked_at, proven_until) on tokens to billing_gateway;
grant update (email, email_key, password_hash, confirmed_at, role, all_books, closed_at, frozen, display_name, erased_at) on users to billing_gateway;
grant update (txid, event_id) on webhook_cursors to billing_gateway;
grant update (status, attempts, tries, due_at, claimed_until, completed_at) on webhook_deliveries to billing_gateway;
grant update (url, description, events, secret, previous_secret, previous_until, status, disabled_reason, disabled_at, failing, updated_at) on webhooks to billing_gateway;
grant update (rejection, reject_reason, rejected_by) on wire_batch_payments to billing_gateway;

grant execute on function account_owner(integer,uuid) to billing_gateway;
grant execute on function address_hash(text) to billing_gateway;
grant execute on function address_owner(uuid,uuid) to billing_gateway;
grant execute on function decrypted(integer,uuid,bytea) to billing_gateway;
grant execute on function encrypted(integer,uuid,text) to billing_gateway;
grant execute on function encrypted_under(bytea,text) to billing_gateway;
grant execute on function erase_audit_lines(integer,uuid,uuid[]) to billing_gateway;
grant execute on function erase_deliveries(integer,uuid,integer) to billing_gateway;
grant execute on function erase_events(integer,uuid,xid8,uuid,integer) to billing_gateway;
grant execute on function erase_payments(integer,uuid,uuid,uuid,integer) to billing_gateway;
grant execute on function finish_erasure(integer,uuid) to billing_gateway;
grant execute on function forget_deliveries(integer,timestamp with time zone,uuid,integer) to billing_gateway;
grant execute on function in_any_case(text) to billing_gateway;
grant execute on function keep_event_partitions(integer) to billing_gateway;
grant execute on function line_subject(text,uuid,uuid) to billing_gateway;
grant execute on function move_payments(integer,timestamp with time zone,uuid[],text[],text[],text[],numeric[],numeric[]) to billing_gateway;
grant execute on function shown_name(integer,uuid,bytea,bytea) to billing_gateway;
grant execute on function shown_text(integer,uuid,bytea) to billing_gateway;
grant execute on function stored_text(integer,uuid,text) to billing_gateway;
grant execute on function text_owner(text,uuid,uuid) to billing_gateway;
grant execute on function webhook_owner(integer,uuid) to billing_gateway;
