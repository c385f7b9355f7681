import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Actor } from '../audit/audit.ts'
import type { Gateway } from '../gateway.ts'
import type { Session } from '../identity/sessions.ts'
import type { Scope } from '../identity/tokens.ts'
import { ApiError } from './errors.ts'

/** Who may call a route: anybody, or the holder of a token with this scope. Every route says it. */
export type Access = 'public' | { readonly scope: Scope | 'any' }

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** Whether an operator of all books may act here in the book that the header `Book` names. */
    anyBook?: boolean
  }
  interface FastifyRequest {
    session: Session | null
  }
}

/** A hook that finds out who calls, before anything else of the request is read. */
export function authenticator({ sessions, books }: Gateway) {
  return async (request: FastifyRequest, _reply: FastifyReply): Promise<void> => {
    const { access, anyBook = false } = request.routeOptions.config
    if (access === undefined || access === 'public') return
    const session = await sessions.find(bearerOf(request))
    if (!session) throw new ApiError('unauthenticated')
    if (access.scope !== 'any' && !session.scopes.has(access.scope)) throw new ApiError('forbidden')
    if (access.scope === 'admin' && session.role !== 'admin') throw new ApiError('forbidden')
    request.session = await inNamedBook(session, request.headers.book, anyBook)
  }

  async function inNamedBook(
    session: Session,
    name: string | string[] | undefined,
    anyBook: boolean,
  ): Promise<Session> {
    if (name === undefined || name === session.homeName) return session
    if (!(anyBook && session.allBooks && isOperator(session))) throw new ApiError('forbidden')
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

/** Whether the token is an operator's and says so. */
export function isOperator({ role, scopes }: Session): boolean {
  return role === 'admin' && scopes.has('admin')
}

/** The caller as the audit log names one. */
export function actorOf(request: FastifyRequest): Actor {
  const { userId, tokenId } = sessionOf(request)
  return { userId, tokenId, address: request.ip, requestId: request.id }
}
