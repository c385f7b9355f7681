import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Actor } from '../audit/audit.ts'
import type { Gateway } from '../gateway.ts'
import type { Session } from '../identity/sessions.ts'
import { type Access, scopesFor } from './access.ts'
import { ApiError } from './errors.ts'
import { redeemTicket, ticketOf } from './streams/tickets.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** Whether a ticket does instead of a token (streams/tickets.ts). */
    byTicket?: true
  }
  interface FastifyRequest {
    session: Session | null
  }
}

/** A hook that finds out who calls, before anything else of the request is read. */
export function authenticator(gateway: Gateway) {
  return async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    const { access, byTicket } = request.routeOptions.config
    if (access === undefined || access === 'public') return
    const ticket = byTicket ? ticketOf(request) : undefined
    const session = await (ticket === undefined
      ? gateway.sessions.find(bearerOf(request))
      : redeemTicket(gateway, ticket))
    if (!session) throw new ApiError('unauthenticated')
    request.session = session
  }
}

/** A hook that refuses whoever may not make this call, as the table in access.ts says. */
export function authorizer({ books }: Gateway) {
  return async (request: FastifyRequest): Promise<void> => {
    const { session } = request
    const { access } = request.routeOptions.config
    if (!session || access === undefined || access === 'public') return
    const lacking = scopesFor(access).find((scope) => !session.scopes.has(scope))
    if (lacking) throw new ApiError('forbidden', `This needs the scope ${lacking}`)
    if (access.allBooks && !session.allBooks) throw new ApiError('forbidden', 'This is for operators of all books')
    if (access.unfrozen && session.frozen) throw new ApiError('user_frozen')
    if (access.confirmed && !session.confirmed) throw new ApiError('email_unconfirmed')
    request.session = await inNamedBook(session, request.headers.book, access)
  }

  async function inNamedBook(
    session: Session,
    name: string | string[] | undefined,
    { anyBook, scope }: Exclude<Access, 'public'>,
  ): Promise<Session> {
    if (name === undefined || name === session.homeName) return session
    const mayThere = scope.endsWith(':read') ? seesAll(session) : isOperator(session)
    if (!(anyBook && session.allBooks && mayThere)) throw new ApiError('forbidden')
    const book = await books.find(String(name))
    if (!book) throw new ApiError('not_found', 'There is no such book')
    return { ...session, book: book.id }
  }
}

/** RFC 6750 §2.1: `Authorization: Bearer …`, the scheme in any case. */
export function bearerOf(request: FastifyRequest): string {
  const match = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')
  if (!match?.[1]) throw new ApiError('unauthenticated')
  return match[1]
}

/** The caller of a route that is not public. */
export function sessionOf(request: FastifyRequest): Session {
  if (!request.session) throw new Error(`${request.routeOptions.url} is public and has no session`)
  return request.session
}

/** Throws where the caller's token is no longer good for all that it was good for when the call began. */
export async function requireStillGood({ sessions }: Gateway, request: FastifyRequest): Promise<void> {
  const before = sessionOf(request)
  const now = await sessions.find(bearerOf(request))
  if (!now) throw new ApiError('unauthenticated')
  if (!before.scopes.isSubsetOf(now.scopes) || (before.allBooks && !now.allBooks)) throw new ApiError('forbidden')
}

/** Whether the token is an operator's and says so. */
export function isOperator({ scopes }: Session): boolean {
  return scopes.has('admin')
}

/** Whether the token is an operator's or an auditor's, to whom every account and payment of the book is shown. */
export function seesAll({ scopes }: Session): boolean {
  return scopes.has('admin:read')
}

/** The caller as the audit log names one. */
export function actorOf(request: FastifyRequest): Actor {
  const { userId, tokenId } = sessionOf(request)
  return { userId, tokenId, address: request.ip, requestId: request.id }
}
