import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readConfig } from './config.ts'
import { StartError } from './start_error.ts'

describe('a setting that would silently do something else', () => {
  for (const [name, value, said] of [
    ['BGW_WELCOME_BONUS', '100.00 GBP', 'opens no account'],
    ['BGW_DIGITAL_CURRENCIES', 'BTC:8,BTC:6', 'BTC is there twice'],
    ['BGW_RATE_LIMITS', 'signup=1/1m,signup=5/1m', "'signup' is there twice"],
    ['BGW_PUBLIC_URL', 'https://pay.example/?x=1', 'without ? and #'],
    ['BGW_PUBLIC_URL', 'https://pay.example/#x', 'without ? and #'],
    ['BGW_MAIL_FROM', 'nonsense', 'must be a mail address'],
    ['BGW_MAIL_FROM', 'Bank <nonsense>', 'must be a mail address'],
    ['BGW_SMTP_URL', 'smtp://', 'names no host'],
    ['BGW_SANDBOX_RAILS', 'wire', 'goes with BGW_SANDBOX_RAIL_URL'],
  ] as const) {
    it(`is refused by name: ${name}=${value}`, () => {
      const saysSo = (error: unknown) =>
        error instanceof StartError && error.message.startsWith(name) && error.message.includes(said)
      assert.throws(() => readConfig({ [name]: value }), saysSo)
    })
  }

  it('has a sender’s name quoted where mails ask for that', () => {
    for (const [written, kept] of [
      ['b@example.com', 'b@example.com'],
      ['Bank <b@example.com>', 'Bank <b@example.com>'],
      ['Bank Zürich <b@example.com>', 'Bank Zürich <b@example.com>'],
      ['"Bank, Inc." <b@example.com>', '"Bank, Inc." <b@example.com>'],
      ['Bank, Inc. <b@example.com>', '"Bank, Inc." <b@example.com>'],
      ['Bank "B" <b@example.com>', '"Bank \\"B\\"" <b@example.com>'],
    ] as const) {
      assert.equal(readConfig({ BGW_MAIL_FROM: written }).mailFrom, kept)
    }
  })

  it('is taken where it fits: a bonus in a currency of everybody, a sender with a name', () => {
    const settings = {
      BGW_WELCOME_BONUS: '5.00 GBP',
      BGW_DEFAULT_CURRENCIES: 'GBP',
      BGW_MAIL_FROM: 'Bank <b@example.com>',
    }
    assert.deepEqual(readConfig(settings).welcome.bonus, { amount: '5.00', currency: 'GBP' })
    // The bonus that nobody set is for those whose accounts it fits.
    assert.deepEqual(readConfig({ BGW_DEFAULT_CURRENCIES: 'GBP' }).welcome.currencies, ['GBP'])
  })
})
