// What always holds (docs/ledger.md), each law as queries that find what breaks it. `$1` is the book. PostgreSQL does
// the work and gives back no more than the first few offenders, so memory stays bounded here however large the books.

/** One offender: what it is about, what should be there and what is. */
export type Offender = {
  readonly account: string | null
  readonly payment: string | null
  readonly currency: string | null
  /** Amounts in minor units with their digits, or text. */
  readonly digits: number | null
  readonly expected: string
  readonly found: string
}

export type Check = { readonly law: 1 | 2 | 3 | 4 | 5; readonly rule: string; readonly sql: string }

/** Columns that every query names, so that offenders of all kinds are told in one way. */
const NOTHING = 'null::uuid as account, null::uuid as payment, null::text as currency, null::smallint as digits'

export const CHECKS: readonly Check[] = [
  {
    law: 1,
    rule: 'the balances of all accounts in a currency sum to zero',
    sql: `
      select null::uuid as account, null::uuid as payment, a.currency, c.digits,
             '0' as expected, sum(a.balance)::text as found
        from accounts a
        join currencies c on c.book = a.book and c.code = a.currency
       where a.book = $1
       group by a.currency, c.digits
      having sum(a.balance) <> 0`,
  },
  {
    law: 2,
    rule: 'a balance is the sum of the account’s postings',
    sql: `
      with moved as (
        select account_id, sum(case direction when 'debit' then amount else -amount end) as total
          from operations
         where book = $1
         group by account_id
      )
      select a.id as account, null::uuid as payment, a.currency, c.digits,
             coalesce(m.total, 0)::text as expected, a.balance::text as found
        from accounts a
        join currencies c on c.book = a.book and c.code = a.currency
        left join moved m on m.account_id = a.id
       where a.book = $1 and a.balance <> coalesce(m.total, 0)`,
  },
  {
    law: 2,
    rule: 'each running balance follows from the one before',
    sql: `
      with running as (
        select account_id, payment_id, currency, balance_after,
               coalesce(lag(balance_after) over earlier, 0)
                 + case direction when 'debit' then amount else -amount end as expected
          from operations
         where book = $1 and balance_after is not null
        window earlier as (partition by account_id order by posting_id)
      )
      select r.account_id as account, r.payment_id as payment, r.currency, c.digits,
             r.expected::text as expected, r.balance_after::text as found
        from running r
        join currencies c on c.book = $1 and c.code = r.currency
       where r.balance_after <> r.expected`,
  },
  {
    law: 2,
    rule: 'every posting on a user’s account has its running balance',
    sql: `
      select o.account_id as account, o.payment_id as payment, o.currency, null::smallint as digits,
             'a running balance' as expected, 'none' as found
        from operations o
        join accounts a on a.book = o.book and a.id = o.account_id
       where o.book = $1 and (o.balance_after is null) <> (a.code is not null)`,
  },
  {
    law: 2,
    rule: 'what is held is the sum of the account’s pending payments',
    sql: `
      with pending as (
        select from_account, sum(amount + case fee_payer when 'sender' then fee else 0 end) as total
          from payments
         where book = $1 and status = 'pending'
         group by from_account
      )
      select a.id as account, null::uuid as payment, a.currency, c.digits,
             coalesce(p.total, 0)::text as expected, a.held::text as found
        from accounts a
        join currencies c on c.book = a.book and c.code = a.currency
        left join pending p on p.from_account = a.id
       where a.book = $1 and a.held <> coalesce(p.total, 0)`,
  },
  {
    law: 3,
    rule: 'a completed payment’s postings are its net amount and its fee, any other payment has none',
    sql: `
      with posted as (
        select payment_id,
               coalesce(sum(amount) filter (where kind <> 'fee'), 0) as net,
               coalesce(sum(amount) filter (where kind = 'fee'), 0) as fee
          from postings
         where book = $1
         group by payment_id
      ), due as (
        select id, currency,
               case when status <> 'completed' then 0
                    when fee_payer = 'sender' then amount
                    else amount - fee end as net,
               case status when 'completed' then fee else 0 end as fee
          from payments
         where book = $1
      )
      select null::uuid as account, coalesce(d.id, p.payment_id) as payment, d.currency, null::smallint as digits,
             case when d.id is null then 'a payment' else d.net || ' and a fee of ' || d.fee end as expected,
             coalesce(p.net, 0) || ' and a fee of ' || coalesce(p.fee, 0) || ' (minor units)' as found
        from due d
        full join posted p on p.payment_id = d.id
       where d.id is null or d.net <> coalesce(p.net, 0) or d.fee <> coalesce(p.fee, 0)`,
  },
  {
    law: 3,
    rule: 'a posting is of its payment’s kind, accounts and currency, and its fee goes to internal',
    sql: `
      select null::uuid as account, p.payment_id as payment, p.currency, null::smallint as digits,
             'a posting that belongs to its payment' as expected, p.id::text as found
        from postings p
        join payments y on y.book = p.book and y.id = p.payment_id
        left join accounts d on d.book = p.book and d.id = p.debit_account
        left join accounts c on c.book = p.book and c.id = p.credit_account
       where p.book = $1
         and (d.currency is distinct from p.currency or c.currency is distinct from p.currency
              or p.currency <> y.currency
              or p.credit_account <> y.from_account
              or case p.kind when 'fee' then d.code is distinct from 'internal'
                             else p.kind <> y.kind or p.debit_account <> y.to_account end)`,
  },
  {
    law: 3,
    rule: 'a payment is initiated exactly while a worker has still to post it',
    sql: `
      select null::uuid as account, coalesce(p.id, i.payment_id) as payment, p.currency, null::smallint as digits,
             case when i.payment_id is null then 'a place in the worker’s queue' else 'the status initiated' end as expected,
             coalesce(p.status, 'no payment') as found
        from (select id, currency, status from payments where book = $1 and status = 'initiated') p
        full join (select payment_id from initiated where book = $1) i on i.payment_id = p.id
       where p.id is null or i.payment_id is null`,
  },
  {
    law: 4,
    rule: 'no user’s account is below its floor, and nothing is held beyond it',
    sql: `
      select a.id as account, null::uuid as payment, a.currency, c.digits,
             '0' as expected, (a.balance - a.held + a.overdraft_limit)::text as found
        from accounts a
        join currencies c on c.book = a.book and c.code = a.currency
       where a.book = $1 and a.user_id is not null
         and (a.balance - a.held + a.overdraft_limit < 0 or a.held < 0)`,
  },
  {
    law: 5,
    rule: 'the server’s role can neither change nor remove postings, events or lines of the audit log',
    sql: `
      select ${NOTHING}, 'no such privilege' as expected, privilege || ' on ' || name as found
        from unnest(array['postings', 'events', 'audit_log']) as name,
             unnest(array['update', 'delete', 'truncate']) as privilege
       where $1::int is not null
         and (has_table_privilege('billing_gateway', name, privilege)
              or privilege = 'update' and has_any_column_privilege('billing_gateway', name, privilege))`,
  },
]
