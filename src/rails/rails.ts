import type { Config } from '../config.ts'
import { RAIL_CODES, type RailCode } from '../ledger/account.ts'
import { createManualRail } from './manual.ts'
import type { Rail } from './rail.ts'
import { createSandboxRail } from './sandbox/driver.ts'
import { createSettlement, type SettlementOptions } from './settlement.ts'
import { createSubmitter, type SubmitterOptions } from './submitter.ts'
import type { OwnAccount } from './wire/own_accounts.ts'
import { createBankBooking } from './wire/settle.ts'

type Parts = SettlementOptions & Pick<SubmitterOptions, 'secretBox' | 'lookout'>

/** Every rail, played by the sandbox where that is configured, else settled by hand; and what works for all of them. */
export function createRails(
  { sandboxRail, railAskSeconds, wireAccounts }: Config,
  publicUrl: () => string,
  parts: Parts,
) {
  const railOf = (code: RailCode): Rail => {
    if (!sandboxRail?.codes.includes(code)) return createManualRail(code)
    const { url, secret } = sandboxRail
    return createSandboxRail({ code, url, secret, callbackUrl: () => `${publicUrl()}/v1/rails/${code}/callbacks` })
  }
  const rails: ReadonlyMap<RailCode, Rail> = new Map(RAIL_CODES.map((code) => [code, railOf(code)]))
  const settlement = createSettlement(parts)
  const { pool, lookout, secretBox, log } = parts
  const submitter = createSubmitter({
    ...{ pool, lookout, rails, settlement, secretBox, log },
    askAfterSeconds: railAskSeconds,
  })

  /** Where `wire` of that book and currency is settled by files of a bank; undefined where it is not. */
  const bankAccount = (book: string, currency: string): OwnAccount | undefined =>
    sandboxRail?.codes.includes('wire')
      ? undefined
      : wireAccounts.find((own) => own.book === book && own.currency === currency)

  const bankBooking = createBankBooking(parts)
  /** Ends what works beside the requests. */
  const stopRails = () => Promise.all([submitter.stop(), bankBooking.stop()])
  return { rails, settlement, submitter, bankAccount, bankBooking, stopRails }
}
