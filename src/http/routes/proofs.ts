import { Type } from 'typebox'
import type { Gateway } from '../../gateway.ts'
import { listSealKeys } from '../../seal/keys.ts'
import { readProof } from '../../seal/proof.ts'
import { sessionOf } from '../authentication.ts'
import { ApiError } from '../errors.ts'
import { type App, describe } from '../route.ts'
import { OneOf, Time } from '../schemas.ts'
import { visiblePayment } from './payment_actions.ts'

const tag = 'Proofs'

const Hash = Type.String({
  description: '32 bytes in hexadecimal.',
  examples: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
})
const Opening = Type.Object({ key: Hash, text: Type.String() })
const Proof = Type.Object(
  {
    leaf: Type.String({ description: 'The payment and all of its postings, as they were sealed: a text of JSON.' }),
    texts: Type.Object(
      { description: Type.Optional(Opening), metadata: Type.Optional(Opening) },
      { description: 'What `description_hash` and `metadata_hash` in the leaf are of: SHA-256 of key and text.' },
    ),
    nonce: Hash,
    index: Type.Integer({ description: 'The place of the leaf in its block, from 0.' }),
    path: Type.Array(Type.Object({ side: OneOf(['left', 'right']), hash: Hash }), {
      description: 'From the leaf to the root: what is hashed with it, and on which side that stands.',
    }),
    block: Type.Object({
      header: Type.String({
        description: 'What is signed: a text of JSON with the root and the hash of the block before.',
      }),
      hash: Hash,
      signature: Type.String({ description: 'Ed25519 over the header, 64 bytes in hexadecimal.' }),
    }),
  },
  { title: 'Proof' },
)
const SealKey = Type.Object(
  {
    id: Type.String({ description: '`key_id` in the header of a block.', examples: ['2c26b46b68ffc68f'] }),
    book: Type.Integer({ description: '`book` in the header of a block.', examples: [1] }),
    first_block: Type.Integer({ description: 'The first block of the book that it signed.', examples: [1] }),
    public_key: Type.String({ description: 'PEM (SPKI).' }),
    created_at: Time,
  },
  { title: 'SealKey' },
)

/** Proofs that a payment was sealed, and the keys to check them with (api.md, Proofs). */
export function proofRoutes(app: App, gateway: Gateway): void {
  const { pool } = gateway

  app.get('/v1/payments/:id/proof', {
    schema: describe({
      operationId: 'getPaymentProof',
      summary: 'Proof that a final payment is in a signed block',
      description:
        'Both sides may see it. It is checked with the keys of `GET /v1/seal-keys` and without this gateway.',
      tag,
      errors: ['not_found', 'not_sealed_yet'],
      params: Type.Object({ id: Type.String({ examples: ['pay_01k3v5f4t1f6mb2x9k4w5r8h3n'] }) }),
      response: { 200: Proof },
    }),
    handler: async (request) => {
      const payment = await visiblePayment(gateway, request, request.params.id)
      const at = payment.completedAt ?? payment.updatedAt
      const proof = await readProof(pool, sessionOf(request).book, payment.id, at)
      if (!proof) throw new ApiError('not_sealed_yet')
      return proof
    },
  })

  app.get('/v1/seal-keys', {
    schema: describe({
      operationId: 'listSealKeys',
      summary: 'The public keys that blocks are signed with',
      tag,
      response: { 200: Type.Object({ data: Type.Array(SealKey) }) },
    }),
    handler: async () => ({ data: await listSealKeys(pool) }),
  })
}
