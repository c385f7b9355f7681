import type { Check } from './laws.ts'

/** Law 3: of payments, and of what waits for them. */
export const PAYMENTS: readonly Check[] = [
  {
    law: 3,
    rule: 'a completed payment’s postings are its net amount, any other payment has none',
    sql: sumsOfPayments(
      `kind <> 'fee' and not is_exchanged`,
      `case when status <> 'completed' then 0 when fee_payer = 'sender' then amount else amount - fee end`,
    ),
  },
  {
    law: 3,
    rule: 'a completed conversion’s postings in its other currency are what was quoted, any other payment has none',
    sql: sumsOfPayments('is_exchanged', `case status when 'completed' then coalesce(exchange_amount, 0) else 0 end`),
  },
  {
    // Sealed is the payment, and not the quote. Where the receiver pays the fee, the rest is exchanged, in proportion.
    law: 3,
    rule: 'a completed conversion is what its quote says, which it has used up',
    sql: `
      with sides as (
        select p.id, p.currency, p.exchange_currency, p.amount, p.exchange_amount, p.exchange_rate, q.id as quote_id,
               q.from_currency, q.to_currency, q.from_amount, q.to_amount, q.rate, q.used_by,
               case p.fee_payer when 'sender' then p.amount else p.amount - p.fee end as net
          from payments p
          left join quotes q on q.book = p.book and q.id = p.quote_id
         where p.book = $1 and p.status = 'completed' and p.quote_id is not null
      ), examined as (
        select *,
               case when quote_id is null              then array[currency, 'a quote', 'none']
                    when used_by is distinct from id   then array[currency, 'use by this payment',
                                                                  case when used_by is null then 'none' else 'by another' end]
                    when (from_currency, to_currency) is distinct from (currency, exchange_currency)
                                                       then array[currency, concat(currency, ' for ', exchange_currency),
                                                                  concat(from_currency, ' for ', to_currency)]
                    when rate is distinct from exchange_rate
                                                       then array[currency, concat('the rate ', exchange_rate),
                                                                  concat('the rate ', rate)]
                    when from_amount <> amount         then array[currency, amount::text, from_amount::text]
                    when 2 * abs(to_amount * net - exchange_amount * amount) > amount
                                                       then array[exchange_currency, exchange_amount::text,
                                                                  round(to_amount * net / nullif(amount, 0))::text]
               end as fault
          from sides
      )
      select null::uuid as account, e.id as payment, null::uuid as posting, e.fault[1] as currency, c.digits,
             e.fault[2] as expected, e.fault[3] as found
        from examined e
        left join currencies c on c.book = $1 and c.code = e.fault[1]
       where e.fault is not null`,
  },
  {
    law: 3,
    rule: 'a completed payment’s fee is posted, any other payment’s is not',
    sql: sumsOfPayments(`kind = 'fee'`, `case status when 'completed' then fee else 0 end`),
  },
  {
    law: 3,
    // A refund’s fee goes back to who paid; a conversion passes through exchange, in each of its two currencies.
    rule: 'a posting is of its payment’s kind, accounts and currency, and a fee goes to internal',
    sql: `
      with sides as (
        select p.id, p.payment_id, p.kind, p.currency, p.debit_account, p.credit_account,
               d.id is not null as has_debit, d.code as debit_code, d.currency as debit_currency,
               c.id is not null as has_credit, c.code as credit_code, c.currency as credit_currency,
               y.kind as payment_kind, y.currency as payment_currency, y.exchange_currency, y.from_account, y.to_account,
               case when p.kind <> 'fee' then y.from_account when y.kind = 'refund' then i.id else y.from_account end as payer,
               case when p.kind <> 'fee' then y.to_account when y.kind = 'refund' then y.to_account else i.id end as payee
          from postings p
          join payments y on y.book = p.book and y.id = p.payment_id
          left join accounts d on d.book = p.book and d.id = p.debit_account
          left join accounts c on c.book = p.book and c.id = p.credit_account
          left join accounts i on i.book = p.book and i.code = 'internal' and i.currency = y.currency
         where p.book = $1
      ), examined as (
        select *,
               case when not has_debit                 then array['debit', 'an account of the book', 'none']
                    when not has_credit                then array['credit', 'an account of the book', 'none']
                    when debit_currency <> currency    then array['debit', currency, debit_currency]
                    when credit_currency <> currency   then array['credit', currency, credit_currency]
                    when currency <> payment_currency and (kind = 'fee' or currency is distinct from exchange_currency)
                                                       then array['', payment_currency, currency]
                    when kind not in (payment_kind, 'fee') then array['', payment_kind, kind]
                    when credit_account is distinct from payer
                     and not (kind <> 'fee' and exchange_currency is not null and credit_code = 'exchange')
                                                       then array['credit', 'the sender', 'another account']
                    when kind = 'fee' and debit_account is distinct from payee
                                                       then array['debit', case payment_kind when 'refund' then 'the receiver' else 'internal' end, 'another account']
                    when kind <> 'fee' and debit_account is distinct from payee
                     and not (exchange_currency is not null and debit_code = 'exchange')
                                                       then array['debit', 'the receiver', 'another account']
                    when kind <> 'fee' and exchange_currency is not null
                     and (debit_code is distinct from 'exchange') = (credit_code is distinct from 'exchange')
                                                       then array['', 'a side that is exchange', 'none, or both']
               end as fault
          from sides
      )
      select case fault[1] when 'debit' then debit_account when 'credit' then credit_account end as account,
             payment_id as payment, id as posting, currency, null::smallint as digits,
             fault[2] as expected, fault[3] as found
        from examined
       where fault is not null`,
  },
  {
    law: 3,
    rule: 'what is refunded of a payment is the sum of its completed refunds',
    sql: `
      with refunds as (
        select refund_of, sum(amount) as total
          from payments
         where book = $1 and kind = 'refund' and status = 'completed'
         group by refund_of
      )
      select null::uuid as account, coalesce(p.id, r.refund_of) as payment, null::uuid as posting, p.currency, c.digits,
             coalesce(r.total, 0)::text as expected, coalesce(p.refunded_amount::text, 'no payment') as found
        from (select id, currency, refunded_amount from payments where book = $1) p
        full join refunds r on r.refund_of = p.id
        left join currencies c on c.book = $1 and c.code = p.currency
       where p.refunded_amount is distinct from coalesce(r.total, 0)`,
  },
  {
    law: 3,
    rule: 'a payment is initiated exactly while a worker has still to post it',
    // What cannot be posted is tried again within seconds.
    sql: `
      select null::uuid as account, coalesce(p.id, i.payment_id) as payment, null::uuid as posting,
             coalesce(p.currency, y.currency) as currency, null::smallint as digits,
             case when p.id is null then 'the status initiated' else 'a place of its accounts in the queue' end as expected,
             case when p.id is null         then coalesce('the status ' || y.status, 'no payment')
                  when i.payment_id is null then 'none'
                  when (i.from_account, i.to_account) = (p.from_account, p.to_account) then 'one from ' || i.attempt_at || ' on'
                  else 'one of others' end as found
        from (select id, currency, from_account, to_account from payments where book = $1 and status = 'initiated') p
        full join (select * from initiated where book = $1) i on i.payment_id = p.id
        left join payments y on y.book = $1 and y.id = i.payment_id
       where (i.from_account, i.to_account) is distinct from (p.from_account, p.to_account)
          or i.attempt_at > now() + interval '1 hour'`,
  },
  {
    law: 3,
    rule: 'a pending payment of a rail is one that the rail is told of, or asked for',
    sql: `
      select null::uuid as account, p.id as payment, null::uuid as posting, p.currency, null::smallint as digits,
             'an open instruction for ' || p.rail as expected,
             coalesce(case i.state when 'done' then 'one that is done' else 'one for ' || i.rail end, 'none') as found
        from payments p
        left join rail_instructions i on i.book = p.book and i.payment_id = p.id
       where p.book = $1 and p.status = 'pending' and p.rail is not null
         and (i.payment_id is null or i.state = 'done' or i.rail <> p.rail)`,
  },
  {
    law: 3,
    rule: 'a payment is pending until a time exactly while there is a hold that runs out then',
    sql: `
      select null::uuid as account, coalesce(p.id, h.payment_id) as payment, null::uuid as posting,
             coalesce(p.currency, y.currency) as currency, null::smallint as digits,
             coalesce('a hold of its accounts until ' || p.expires_at, 'none') as expected,
             coalesce('one of ' || case when (h.from_account, h.to_account) = (y.from_account, y.to_account) then 'them'
                                        else 'others' end || ' until ' || h.expires_at, 'none') as found
        from (select id, currency, from_account, to_account, expires_at
                from payments
               where book = $1 and status = 'pending' and expires_at is not null) p
        full join (select payment_id, from_account, to_account, expires_at from holds where book = $1) h
          on h.payment_id = p.id
        left join payments y on y.book = $1 and y.id = h.payment_id
       where (h.expires_at, h.from_account, h.to_account) is distinct from (p.expires_at, p.from_account, p.to_account)`,
  },
  {
    // Payments and postings have no foreign key to their book.
    law: 3,
    rule: 'payments and postings are of a book that exists',
    sql: `
      select null::uuid as account, null::uuid as payment, null::uuid as posting, null as currency, null::smallint as digits,
             'a book' as expected, 'none' as found
       where not exists (select from books where book = $1)`,
  },
]

/** Payments whose postings of a sort do not sum to what is due, and postings of that sort without a payment. */
function sumsOfPayments(sort: string, due: string): string {
  return `
      with posted as (
        select payment_id, min(currency) as currency, sum(amount) as total
          from (select p.payment_id, p.kind, p.currency, p.amount,
                       y.exchange_currency is not null and p.currency = y.exchange_currency as is_exchanged
                  from postings p
                  left join payments y on y.book = p.book and y.id = p.payment_id
                 where p.book = $1) each
         where ${sort}
         group by payment_id
      ), due as (
        select id, currency, ${due} as total
          from payments
         where book = $1
      )
      select null::uuid as account, coalesce(d.id, p.payment_id) as payment, null::uuid as posting,
             coalesce(d.currency, p.currency) as currency, c.digits,
             case when d.id is null then 'no posting without a payment' else d.total::text end as expected,
             coalesce(p.total, 0)::text as found
        from due d
        full join posted p on p.payment_id = d.id
        left join currencies c on c.book = $1 and c.code = coalesce(d.currency, p.currency)
       where d.id is null or d.total <> coalesce(p.total, 0)`
}
