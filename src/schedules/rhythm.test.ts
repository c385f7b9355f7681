import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatInstant, parseInstant } from '../database/instant.ts'
import type { Instant } from '../ledger/id.ts'
import { nextAfter, occurrenceAt, type Rhythm, timeZoneOf, UNITS } from './rhythm.ts'
import { afterAttempt, type Turn, turnOf } from './turn.ts'

const instant = (text: string) => parseInstant(text) as Instant
const ONCE = { startNumber: 0, every: null, interval: 1, timeZone: 'UTC', endsAt: null, count: null } as const

/** The first so many occurrences, to the second. */
function occurrences(rhythm: Rhythm, most: number): string[] {
  const found: string[] = []
  for (let number = 0; number < most; number += 1) {
    const at = occurrenceAt(rhythm, number)
    if (at === null) break
    found.push(`${formatInstant(at).slice(0, 19)}Z`)
  }
  return found
}

describe('A schedule', () => {
  for (const { title, rhythm, expected } of [
    {
      title: 'of the 31st falls on the last day of shorter months, and on the 31st again',
      rhythm: { startsAt: '2027-12-31T09:00:00Z', every: 'month' },
      expected: ['2027-12-31', '2028-01-31', '2028-02-29', '2028-03-31', '2028-04-30', '2028-05-31'],
    },
    {
      title: 'of the 29th of February, every twelve months, is on the 28th until the next leap year',
      rhythm: { startsAt: '2028-02-29T09:00:00Z', every: 'month', interval: 12 },
      expected: ['2028-02-29', '2029-02-28', '2030-02-28', '2031-02-28', '2032-02-29'],
    },
    {
      title: 'of every second week keeps its day',
      rhythm: { startsAt: '2027-12-20T09:00:00Z', every: 'week', interval: 2 },
      expected: ['2027-12-20', '2028-01-03', '2028-01-17'],
    },
    {
      title: 'without a rhythm is once',
      rhythm: { startsAt: '2027-12-31T09:00:00Z', ends: true },
      expected: ['2027-12-31'],
    },
    {
      title: 'ends after its count',
      rhythm: { startsAt: '2027-12-31T09:00:00Z', every: 'day', count: 2, ends: true },
      expected: ['2027-12-31', '2028-01-01'],
    },
    {
      title: 'has the occurrence that falls due at its very end, and none after',
      rhythm: { startsAt: '2027-12-31T09:00:00Z', every: 'day', endsAt: instant('2028-01-01T09:00:00Z'), ends: true },
      expected: ['2027-12-31', '2028-01-01'],
    },
    {
      title: 'ends with the year 9999, as times do',
      rhythm: { startsAt: '9999-11-30T09:00:00Z', every: 'month', ends: true },
      expected: ['9999-11-30', '9999-12-30'],
    },
  ] as const) {
    it(title, () => {
      const { startsAt, ...more } = rhythm
      // One more than expected, where it is to have ended.
      const most = expected.length + ('ends' in rhythm ? 1 : 0)
      const found = occurrences({ ...ONCE, ...more, startsAt: instant(startsAt) }, most)
      assert.deepEqual(
        found.map((time) => time.replace('T09:00:00Z', '')),
        expected,
      )
    })
  }

  it('keeps the time of day of its zone over summer and winter', () => {
    const rhythm = {
      ...ONCE,
      every: 'month',
      timeZone: 'Europe/Prague',
      startsAt: instant('2027-02-28T08:00:00Z'),
    } as const
    assert.deepEqual(occurrences(rhythm, 3), ['2027-02-28T08:00:00Z', '2027-03-28T07:00:00Z', '2027-04-28T07:00:00Z'])
  })

  it('is as much later on the day whose clock jumps over its time, and at the first of two times where the clock is put back', () => {
    const nightly = { ...ONCE, every: 'day', timeZone: 'Europe/Prague' } as const
    const spring = occurrences({ ...nightly, startsAt: instant('2027-03-27T01:30:00Z') }, 3)
    assert.deepEqual(spring, ['2027-03-27T01:30:00Z', '2027-03-28T01:30:00Z', '2027-03-29T00:30:00Z'])
    const autumn = occurrences({ ...nightly, startsAt: instant('2027-10-30T00:30:00Z') }, 3)
    assert.deepEqual(autumn, ['2027-10-30T00:30:00Z', '2027-10-31T00:30:00Z', '2027-11-01T01:30:00Z'])
  })

  it('is on the day of its zone, which may be another one in UTC', () => {
    const rhythm = {
      ...ONCE,
      every: 'month',
      timeZone: 'Pacific/Auckland',
      startsAt: instant('2027-08-30T20:00:00Z'),
    } as const
    // The 31st in Auckland, where September has thirty days, and summer begins at its end.
    assert.deepEqual(occurrences(rhythm, 3), ['2027-08-30T20:00:00Z', '2027-09-29T19:00:00Z', '2027-10-30T19:00:00Z'])
  })
})

const ZONES = ['UTC', 'Europe/Prague', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'America/Santiago']
const someRhythm = fc
  .record({
    startsAt: fc.bigInt(instant('2026-01-01T00:00:00Z'), instant('2090-01-01T00:00:00Z')),
    every: fc.constantFrom(...UNITS),
    interval: fc.integer({ min: 1, max: 14 }),
    timeZone: fc.constantFrom(...ZONES),
    lasts: fc.option(fc.bigInt(0n, 1_000n * 86_400_000_000n)),
    count: fc.option(fc.integer({ min: 1, max: 50 })),
  })
  .map(({ lasts, ...rhythm }): Rhythm => {
    const startsAt = rhythm.startsAt as Instant
    return { ...rhythm, startsAt, startNumber: 0, endsAt: lasts === null ? null : ((startsAt + lasts) as Instant) }
  })

const local = (at: Instant, zone: string) => Temporal.Instant.fromEpochNanoseconds(at * 1000n).toZonedDateTimeISO(zone)

/** The date so many steps later, by hand. */
function stepped({ year, month, day }: Temporal.PlainDate, every: Rhythm['every'], steps: number): string {
  if (every !== 'month') {
    const date = new Date(Date.UTC(year, month - 1, day + steps * (every === 'week' ? 7 : 1)))
    return date.toISOString().slice(0, 10)
  }
  const months = year * 12 + month - 1 + steps
  const last = new Date(Date.UTC(Math.floor(months / 12), (months % 12) + 1, 0)).getUTCDate()
  const two = (value: number) => String(value).padStart(2, '0')
  return `${Math.floor(months / 12)}-${two((months % 12) + 1)}-${two(Math.min(day, last))}`
}

describe('Any schedule', () => {
  it('falls due on the day that the calendar says, at the time of day of the first, unless that day has no such time', () => {
    fc.assert(
      fc.property(someRhythm, fc.integer({ min: 0, max: 400 }), (rhythm, number) => {
        const at = occurrenceAt({ ...rhythm, endsAt: null, count: null }, number)
        assert.ok(at !== null)
        const first = local(rhythm.startsAt, rhythm.timeZone)
        const found = local(at, rhythm.timeZone)
        assert.equal(
          found.toPlainDate().toString(),
          stepped(first.toPlainDate(), rhythm.every, number * rhythm.interval),
        )
        if (found.toPlainTime().equals(first.toPlainTime())) return
        const wanted = found.toPlainDate().toPlainDateTime(first.toPlainTime())
        assert.throws(() => wanted.toZonedDateTime(rhythm.timeZone, { disambiguation: 'reject' }), RangeError)
      }),
    )
  })

  it('goes forward, and ends where it says', () => {
    fc.assert(
      fc.property(someRhythm, (rhythm) => {
        let before = -1n
        for (let number = 0; number < 60; number += 1) {
          const at = occurrenceAt(rhythm, number)
          if (at === null) {
            const unlimited = occurrenceAt({ ...rhythm, endsAt: null, count: null }, number)
            assert.ok(number === rhythm.count || (unlimited ?? 0n) > (rhythm.endsAt ?? 0n))
            return
          }
          assert.ok(at > before && at <= (rhythm.endsAt ?? at) && number < (rhythm.count ?? 60))
          before = at
        }
      }),
    )
  })

  it('that begins with a later number has the same times, and is over by the same count', () => {
    fc.assert(
      fc.property(someRhythm, fc.nat(40), fc.nat(40), (rhythm, startNumber, steps) => {
        const moved = occurrenceAt({ ...rhythm, startNumber }, startNumber + steps)
        const isOver = rhythm.count !== null && startNumber + steps >= rhythm.count
        assert.equal(moved, isOver ? null : occurrenceAt({ ...rhythm, count: null }, steps))
      }),
    )
  })

  it('goes on, after a pause, with the first occurrence that is not past', () => {
    fc.assert(
      fc.property(someRhythm, fc.bigInt(0n, 2_000n * 86_400_000_000n), (rhythm, paused) => {
        const after = (rhythm.startsAt + paused) as Instant
        const next = nextAfter(rhythm, 0, after)
        if (!next) return
        assert.equal(occurrenceAt(rhythm, next.number), next.at)
        assert.ok(next.at > after)
        if (next.number > 0) assert.ok((occurrenceAt(rhythm, next.number - 1) ?? 0n) <= after)
      }),
    )
  })

  it('has each occurrence once and in order, however often it is tried, and tries none again once the next is due', () => {
    const someRetry = fc.record({
      times: fc.integer({ min: 0, max: 4 }),
      everyMinutes: fc.integer({ min: 1, max: 20_000 }),
    })
    const someDelays = fc.infiniteStream(fc.tuple(fc.boolean(), fc.bigInt(0n, 3n * 86_400_000_000n)))
    fc.assert(
      fc.property(someRhythm, someRetry, someDelays, (rhythm, retry, attempts) => {
        const tried: number[] = []
        let turn: Turn | null = turnOf(0, rhythm.startsAt)
        for (let step = 0; turn && step < 80; step += 1) {
          assert.equal(turn.dueAt, occurrenceAt(rhythm, turn.number))
          if (turn.attempts > 0)
            assert.ok(turn.attemptAt < (occurrenceAt(rhythm, turn.number + 1) ?? turn.attemptAt + 1n))
          const [declined, late] = attempts.next().value
          const status = declined ? 'declined' : 'completed'
          const declineReason = declined ? 'insufficient_funds' : null
          const next: Turn | null = afterAttempt(rhythm, retry, turn, {
            at: (turn.attemptAt + late) as Instant,
            status,
            declineReason,
          })
          if (next?.number === turn.number)
            assert.ok(declined && next.attempts === turn.attempts + 1 && next.attempts <= retry.times)
          else tried.push(turn.number)
          turn = next
        }
        assert.deepEqual(
          tried,
          tried.map((_, index) => index),
        )
        if (!turn) assert.equal(occurrenceAt(rhythm, tried.length), null)
      }),
    )
  })
})

describe('A time zone', () => {
  it('is a name of the IANA, in any case', () => {
    for (const name of ['UTC', 'Europe/Prague', 'europe/prague', 'America/Argentina/Buenos_Aires', 'Etc/GMT+3']) {
      assert.equal(timeZoneOf(name)?.toLowerCase(), name.toLowerCase())
    }
    assert.equal(timeZoneOf('europe/prague'), 'Europe/Prague')
    for (const name of [
      '',
      '+02:00',
      '-05',
      'Europe/Atlantis',
      'x',
      '2026-01-01[Europe/Prague]',
      'Europe/Prague\n',
      ' UTC',
    ]) {
      assert.equal(timeZoneOf(name), undefined, name)
    }
  })
})
