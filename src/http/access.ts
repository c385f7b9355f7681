import type { Scope } from '../identity/roles.ts'
import type { App } from './route.ts'

// Who may call what: the one table of it. Which roles can have a scope at all is in identity/roles.ts (ROLE_SCOPES).

/** Who may call an operation: anybody, or the holder of a token with this scope. */
export type Access =
  | 'public'
  | {
      readonly scope: Scope | 'any'
      /** And with this one. */
      readonly also?: Scope
      /** Only whoever has confirmed their address. */
      readonly confirmed?: true
      /** Only for users who are not frozen. Where money moves, the freeze of its account decides (ledger/post.ts). */
      readonly unfrozen?: true
      /** An operator of all books may act here in the book that the header `Book` names. */
      readonly anyBook?: true
      /** Only for operators of all books. */
      readonly allBooks?: true
    }

const ANY = { scope: 'any' } as const
const TOKENS = { scope: 'tokens:write' } as const
const ACCOUNTS = { scope: 'accounts:read' } as const
const ACCOUNTS_OF_ANY_BOOK = { scope: 'accounts:read', anyBook: true } as const
const READ = { scope: 'payments:read' } as const
const READ_IN_ANY_BOOK = { scope: 'payments:read', anyBook: true } as const
const OWN = { scope: 'payments:write' } as const
const MOVE_OWN = { scope: 'payments:write', confirmed: true } as const
const MOVE = { scope: 'payments:write', confirmed: true, anyBook: true } as const
const WEBHOOKS = { scope: 'webhooks:write' } as const
/** What operators and auditors see. */
const SEE = { scope: 'admin:read', anyBook: true } as const
/** What operators do. */
const OPERATE = { scope: 'admin', anyBook: true } as const

/** The scopes that a token needs for it. */
export function scopesFor({ scope, also }: Exclude<Access, 'public'>): Scope[] {
  return [scope, also].flatMap((one) => (one === undefined || one === 'any' ? [] : one))
}

/** Every operation of the API, by its operationId. One that is not here cannot be described (route.ts), nor served. */
export const ACCESS = {
  isLive: 'public',
  isReady: 'public',
  getMetrics: 'public',
  listSealKeys: 'public',

  signUp: 'public',
  confirmEmail: 'public',
  resendConfirmation: 'public',
  logIn: 'public',
  forgetPassword: 'public',
  resetPassword: 'public',
  confirmEmailChange: 'public',
  getMe: ANY,
  listTokens: ANY,
  stepUp: ANY,
  changePassword: ANY,
  changeEmail: { scope: 'any', unfrozen: true },
  // An address that is not one's own is not kept from whom it belongs to: by a second factor, or as that of a closed user.
  enrollSecondFactor: { scope: 'any', confirmed: true },
  verifySecondFactor: { scope: 'any', confirmed: true },
  renewRecoveryCodes: ANY,
  removeSecondFactor: ANY,
  closeMe: { scope: 'any', unfrozen: true, confirmed: true },
  eraseMe: { scope: 'any', unfrozen: true },
  // It shows everything.
  exportMe: { scope: 'accounts:read', also: 'payments:read' },
  updateMe: TOKENS,
  createToken: TOKENS,
  revokeToken: TOKENS,
  endSessions: TOKENS,

  listAccounts: ACCOUNTS,
  findRecipients: ACCOUNTS,
  getLimits: ACCOUNTS,
  getAccount: ACCOUNTS_OF_ANY_BOOK,
  getBalance: ACCOUNTS_OF_ANY_BOOK,
  // It shows payments.
  getStatement: { scope: 'accounts:read', also: 'payments:read', anyBook: true },
  openAccount: { scope: 'payments:write', unfrozen: true },
  updateAccount: OWN,
  closeAccount: OWN,

  listPayments: READ,
  getPayment: READ_IN_ANY_BOOK,
  getPaymentProof: READ_IN_ANY_BOOK,
  listSchedules: READ,
  getSchedule: READ_IN_ANY_BOOK,
  createSchedule: MOVE,
  updateSchedule: MOVE,
  pauseSchedule: MOVE,
  resumeSchedule: MOVE,
  cancelSchedule: MOVE,
  listOperations: READ,
  listRates: READ,
  getQuote: READ,
  createQuote: MOVE_OWN,
  previewPayment: MOVE,
  createPayment: MOVE,
  createPayments: MOVE,
  capturePayment: MOVE,
  cancelPayment: { scope: 'payments:write', anyBook: true },
  refundPayment: MOVE,
  createDeposit: MOVE_OWN,
  getDeposit: READ_IN_ANY_BOOK,
  createWithdrawal: MOVE_OWN,
  // Signed by the rail.
  receiveRailCallback: 'public',

  listEvents: READ,
  streamEvents: READ,
  createStreamTicket: READ,
  // Its token, with `payments:read`, comes with the handshake or in the first message (streams/websocket.ts).
  openWebSocket: 'public',
  listWebhooks: WEBHOOKS,
  // It would go on telling after the address’s owner has set a password.
  createWebhook: { scope: 'webhooks:write', confirmed: true },
  getWebhook: WEBHOOKS,
  updateWebhook: WEBHOOKS,
  deleteWebhook: WEBHOOKS,
  rotateWebhookSecret: WEBHOOKS,
  pingWebhook: WEBHOOKS,
  listDeliveries: WEBHOOKS,
  getDelivery: WEBHOOKS,
  redeliver: WEBHOOKS,
  redeliverSince: WEBHOOKS,

  listUsersOfBook: SEE,
  exportUser: SEE,
  listAccountsOfBook: SEE,
  listPaymentsOfBook: SEE,
  listSchedulesOfBook: SEE,
  listOperationsOfBook: SEE,
  listAuditOfBook: SEE,
  listWebhooksOfBook: SEE,
  listEventsOfBook: SEE,
  listRatesOfBook: SEE,
  listFeeSchedules: SEE,
  listLimitsOfBook: SEE,
  listApprovals: SEE,
  listSuspense: SEE,
  listCurrencies: SEE,
  listBankFiles: SEE,
  listBankEntries: SEE,
  listWireBatches: SEE,
  listWireBatchPayments: SEE,
  getPosition: SEE,
  reportFees: SEE,
  reportFlows: SEE,
  reportDaily: SEE,
  reportTrialBalance: SEE,
  createAdjustment: OPERATE,
  approveAdjustment: OPERATE,
  rejectAdjustment: OPERATE,
  addCurrency: OPERATE,
  closeCurrency: OPERATE,
  reopenCurrency: OPERATE,
  updateAccountOfBook: OPERATE,
  freezeAccount: OPERATE,
  unfreezeAccount: OPERATE,
  updateUser: OPERATE,
  freezeUser: OPERATE,
  unfreezeUser: OPERATE,
  endTokensOfUser: OPERATE,
  eraseUser: OPERATE,
  importUsers: OPERATE,
  settlePaymentByHand: OPERATE,
  cancelPaymentByHand: OPERATE,
  resolveSuspense: OPERATE,
  createRate: OPERATE,
  createFeeSchedule: OPERATE,
  setLimit: OPERATE,
  removeLimit: OPERATE,
  importRates: OPERATE,
  uploadBankStatement: OPERATE,
  acceptBankEntry: OPERATE,
  suspendBankEntry: OPERATE,
  ignoreBankEntry: OPERATE,
  createWireBatch: OPERATE,
  // It names who is paid, in full.
  downloadWireBatch: OPERATE,
  createBook: { scope: 'admin', allBooks: true },
} as const satisfies Record<string, Access>

export type OperationId = keyof typeof ACCESS

/** Who may call an operation; undefined for one that is not in the table. */
export function accessOf(operationId: string | undefined): Access | undefined {
  return Object.hasOwn(ACCESS, operationId ?? '') ? ACCESS[operationId as OperationId] : undefined
}

/** What is no operation of the API: its documents, and the pages that links in mails open. */
const PAGES = /^\/(openapi\.json|collection\.json|docs(\/.*)?|confirm|reset-password)$/

/** Gives each route its access from the table. Throws, at the start, for a route that is not in it. */
export function requireAccess(app: App): void {
  app.addHook('onRoute', (route) => {
    const { operationId } = (route.schema ?? {}) as { operationId?: string }
    const access = PAGES.test(route.url) ? 'public' : accessOf(operationId)
    if (access === undefined) {
      const what = `${route.method} ${route.url} (operationId '${operationId ?? ''}')`
      throw new Error(`${what} is not in ACCESS: say in src/http/access.ts who may call it`)
    }
    route.config = { ...route.config, access }
  })
}
