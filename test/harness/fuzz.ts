import { type Answer, call } from './call.ts'
import { aClient } from './client.ts'
import { type Operation, readOperations } from './document.ts'
import { noteAnswer } from './documented.ts'
import { createRandom, type Random } from './fuzz_input.ts'
import { aBystander, aPerson, type Bystander, type Person, remember, revive } from './fuzz_people.ts'
import { aRequest, type Sent } from './fuzz_request.ts'
import { PASSWORD, type TestGateway } from './gateway.ts'

// Drives every call of the OpenAPI document with valid and broken input, as two users, an operator and nobody, and looks
// at each answer for a fault, for what is inside of us and for what is somebody else's.

export type FuzzReport = {
  readonly sent: number
  readonly byStatus: Readonly<Record<string, number>>
  /** Calls that were never answered with a success. */
  readonly neverWell: readonly string[]
  /** What must not be: each a sentence with the request that brought it about. */
  readonly findings: readonly string[]
}

const AT_ONCE = 4
const LONGEST_MS = 30_000

/** Sends requests until `isOver` says so. The same seed sends the same sorts of requests in the same order. */
export async function fuzz(
  gateway: TestGateway,
  seed: number,
  isOver: (sent: number) => boolean,
): Promise<FuzzReport & { readonly bystander: Bystander; readonly before: string }> {
  const random = createRandom(seed)
  const operations = await readOperations(gateway)
  const bystander = await aBystander(gateway)
  const before = await bystander.everything()
  const people = {
    users: [await aPerson(gateway, 'user', 'ada'), await aPerson(gateway, 'user', 'bob')],
    operator: await aPerson(gateway, 'operator', 'operator'),
    nobody: await aPerson(gateway, 'nobody', 'nobody'),
  }
  const everybody = [...people.users, people.operator, people.nobody]
  const findings: string[] = []
  const byStatus: Record<string, number> = {}
  const well = new Set<string>()
  let sent = 0
  let turns: Operation[] = []
  let reviving: Promise<unknown> = Promise.resolve()

  /** Meanwhile nobody sends anything: as an operator they may freeze or end whoever is only half made. */
  async function reviveOnce(person: Person, lost: string | undefined): Promise<void> {
    const isNew = () => person.client.token !== lost
    reviving = reviving.then(() => (isNew() ? undefined : revive(gateway, person)))
    await reviving
  }

  async function untilRevived(): Promise<void> {
    const before = reviving
    await before
    if (reviving !== before) await untilRevived()
  }

  function nextOperation(): Operation {
    if (turns.length === 0)
      turns = operations
        .map((operation) => ({ operation, at: random.below(1e9) }))
        .sort((one, other) => one.at - other.at)
        .map(({ operation }) => operation)
    return turns.pop() as Operation
  }

  async function work(): Promise<void> {
    while (!isOver(sent) && findings.length < 20) {
      await untilRevived()
      sent += 1
      const operation = nextOperation()
      const person = callerOf(random, operation, people)
      const request = aRequest(random, operation, person, bystander, everybody)
      for (const known of namedIn(request, bystander)) person.named.add(known)
      const token = person.client.token
      const answer = await send(gateway, request).catch((error: Error) => error)
      if (answer instanceof Error) {
        if (!(await wasEnded(gateway, request, token))) findings.push(`${describe(request)}: ${answer.message}`)
        continue
      }
      byStatus[answer.status] = (byStatus[answer.status] ?? 0) + 1
      if (answer.status < 400) well.add(operation.id)
      const problems = problemsIn(answer, request, everybody, bystander, gateway)
      findings.push(
        ...problems.map((problem) => `${describe(request)}: ${answer.status} ${problem}: ${answer.text.slice(0, 400)}`),
      )
      remember(person, answer.text, bystander.ids)
      const lost =
        answer.status === 401 && /"unauthenticated"/.test(answer.text) && !('authorization' in request.headers)
      if (lost && person.role !== 'nobody') await reviveOnce(person, token)
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const neverWell = operations.map(({ id }) => id).filter((id) => !well.has(id))
  return { sent, byStatus, neverWell, findings, bystander, before }
}

type People = { readonly users: readonly Person[]; readonly operator: Person; readonly nobody: Person }

/** Mostly who may call it, now and then somebody else. */
function callerOf(random: Random, { isPublic, isAdmin }: Operation, people: People): Person {
  if (random.chance(0.1)) return random.pick([...people.users, people.operator, people.nobody])
  if (isAdmin) return people.operator
  return isPublic && random.chance(0.5) ? people.nobody : random.pick(people.users)
}

async function send(gateway: TestGateway, { operation, person, path, headers, body }: Sent): Promise<Answer> {
  const { token } = person.client
  const answer = await call(gateway.url + path, {
    method: operation.method,
    headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
    body,
    signal: AbortSignal.timeout(LONGEST_MS),
  })
  noteAnswer(gateway.url, operation.method, path, { ...answer, body: codeIn(answer.text) })
  return answer
}

/** Whether what was read broke off because another request has ended its token meanwhile, as is meant. */
async function wasEnded({ url }: TestGateway, { operation }: Sent, token: string | undefined): Promise<boolean> {
  if (operation.method !== 'GET' || !token) return false
  return (await aClient(url, token).get('/v1/me')).status === 401
}

const codeIn = (text: string) => ({ code: /"code":"(\w+)","request_id"/.exec(text)?.[1] })

const INSIDE =
  /node_modules|\bat \S+ \(|\.ts:\d|\bselect\b.*\bfrom\b|\binsert into\b|\bpg_\w|violates|relation "|syntax error at|invalid input syntax/i

/** What an answer must not be or say. */
function problemsIn(
  { status, headers, text }: Answer,
  request: Sent,
  everybody: readonly Person[],
  bystander: Bystander,
  gateway: TestGateway,
): string[] {
  const { path, person } = request
  const problems: string[] = []
  if (status >= 500) problems.push('is a fault of ours')
  if (status >= 400 && !headers.get('content-type')?.startsWith('application/problem+json'))
    problems.push('is no problem+json')
  if (status >= 400 && INSIDE.test(text)) problems.push('shows our inside')
  const all = `${text}\n${[...headers].join('\n')}`
  const secrets = [
    gateway.database.password,
    '$argon2',
    '$scrypt',
    ...everybody.flatMap(({ client }) => client.token ?? []),
  ]
  if (secrets.some((secret) => all.includes(secret))) problems.push('has a secret')
  if (status < 400 && text.includes(PASSWORD)) problems.push('has a password')
  if (person.role === 'operator') return problems
  const others = everybody.filter((other) => other !== person).map(({ mark }) => mark)
  if ([...others, bystander.mark].some((mark) => text.includes(mark))) problems.push('shows what is somebody else’s')
  // An export has the audit log of what one asked for before.
  const named = path.startsWith('/v1/me/export') ? person.named : new Set(namedIn(request, bystander))
  const shown = theirsOf(bystander).filter((known) => text.includes(known) && !named.has(known))
  // Whom one wants to pay is found by address: by the ids of accounts, and no more.
  if (shown.some((known) => !known.startsWith('acc_') || !path.startsWith('/v1/recipients')))
    problems.push('shows whom it should not')
  return problems
}

const theirsOf = ({ ids, user }: Bystander) => [...ids, user.email]

/** What of the bystander a request itself names. */
function namedIn({ path, body }: Sent, bystander: Bystander): string[] {
  const sent = `${decodeURIComponent(path.replaceAll(/%(?![0-9a-f]{2})|%[89a-f]\w/gi, ''))}${body ?? ''}`
  return theirsOf(bystander).filter((known) => sent.includes(known))
}

function describe({ operation, person, path, headers, body }: Sent): string {
  const text =
    body === undefined ? '' : ` ${typeof body === 'string' ? body.slice(0, 600) : Buffer.from(body).toString('base64')}`
  return `${operation.id} as ${person.mark}: ${operation.method} ${path.slice(0, 400)} ${JSON.stringify(headers)}${text}`
}
