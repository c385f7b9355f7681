// pgbench's default script over the driver that the gateway uses: takes connection, seconds, clients and scale as JSON
// on standard input, prints transactions a second.
import { text } from 'node:stream/consumers'
import pg from 'pg'

const { connection, seconds, clients, scale } = JSON.parse(await text(process.stdin))
const end = performance.now() + seconds * 1_000
let done = 0
await Promise.all(Array.from({ length: clients }, transact))
process.stdout.write(String(done / seconds))

async function transact(): Promise<void> {
  const client = new pg.Client({ ...connection, pipeline: true })
  await client.connect()
  const below = (limit: number) => 1 + Math.floor(Math.random() * limit)
  while (performance.now() < end) {
    const [aid, bid, tid] = [below(100_000 * scale), below(scale), below(10 * scale)]
    const delta = below(10_001) - 5_001
    await client.query('begin')
    await client.query({
      name: 'a',
      text: 'update pgbench_accounts set abalance = abalance + $1 where aid = $2',
      values: [delta, aid],
    })
    await client.query({ name: 's', text: 'select abalance from pgbench_accounts where aid = $1', values: [aid] })
    await client.query({
      name: 't',
      text: 'update pgbench_tellers set tbalance = tbalance + $1 where tid = $2',
      values: [delta, tid],
    })
    await client.query({
      name: 'b',
      text: 'update pgbench_branches set bbalance = bbalance + $1 where bid = $2',
      values: [delta, bid],
    })
    await client.query({
      name: 'h',
      text: 'insert into pgbench_history (tid, bid, aid, delta, mtime) values ($1, $2, $3, $4, current_timestamp)',
      values: [tid, bid, aid, delta],
    })
    await client.query('end')
    done += 1
  }
  await client.end()
}
