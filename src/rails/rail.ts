import type { IncomingHttpHeaders } from 'node:http'
import type { RailCode } from '../ledger/account.ts'
import type { Direction } from '../payments/instructions.ts'

// What a rail must offer. A rail is a way in or out of the books: it is told what to do after the commit that decided it,
// at least once and by a reference of ours, and reports what became of it, whenever and however often it likes. The
// gateway does the rest for all of them alike (submitter.ts, settlement.ts).

/** Where a withdrawal goes, as its rail wants to know it: an IBAN and a name, an address on a chain. */
export type Destination = Readonly<Record<string, string>>

/** A deposit or withdrawal as its rail is told of it. */
export type Instruction = {
  /** Our name for it, for ever the same: a rail that hears it again has heard it before. */
  readonly reference: string
  readonly rail: RailCode
  readonly direction: Direction
  /** A decimal string in the currency's unit. */
  readonly amount: string
  readonly currency: string
  readonly destination: Destination | null
}

/** What a rail says of an instruction. */
export type RailReport = {
  readonly reference: string
  /** `processing`: the rail has it, and no answer yet. `unknown`: it never heard of it. */
  readonly state: 'processing' | 'confirmed' | 'refused' | 'canceled' | 'unknown'
  /** The rail's own name for what it did. */
  readonly railReference: string | null
  /** What really moved, of one that is confirmed; a decimal string. Null: as it was instructed. */
  readonly amount: string | null
  readonly reason: string | null
}

/** Money that arrived without an instruction of ours that the rail knows of. */
export type Arrival = {
  readonly book: string
  readonly railReference: string
  readonly amount: string
  readonly currency: string
}

export type RailMessage =
  | { readonly type: 'report'; readonly report: RailReport }
  | { readonly type: 'arrival'; readonly arrival: Arrival }

export type CheckedDestination =
  | { readonly ok: true; readonly destination: Destination; readonly shown: string }
  | { readonly ok: false; readonly field: string; readonly detail: string }

export type Rail = {
  readonly code: RailCode
  /** Whether a withdrawal can go there; `shown` is what may be shown of it. */
  readonly checkDestination: (destination: Destination) => CheckedDestination
  /** Tells the rail. Rejects where it could not be reached: it is told again later. */
  readonly submit: (instruction: Instruction) => Promise<RailReport>
  /** Asks what became of an instruction. Rejects where it could not be reached. */
  readonly lookUp: (reference: string) => Promise<RailReport>
  /** Asks to leave it be; the report says whether that worked. Rejects where it could not be reached. */
  readonly cancel: (reference: string) => Promise<RailReport>
  /** A callback of the rail, once its signature is proven; undefined where it is not, or is no message. */
  readonly readCallback: (headers: IncomingHttpHeaders, body: Buffer) => RailMessage | undefined
}
