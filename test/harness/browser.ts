import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import { after } from 'node:test'
import { chromium, type Page } from 'playwright-core'
import { CHROMIUM } from './chromium.ts'

const CLIENT = join(import.meta.dirname, '../../packages/client/src')

const running: (() => unknown)[] = []
// At the end of the test file, whoever started them.
after(() => Promise.all(running.map((stop) => stop())))

/** A site of its own: an empty page, and the client package as `/client/index.ts`, which the browser can import. */
export async function aSite(): Promise<string> {
  const server = createServer(async (request, response) => {
    if (!request.url?.startsWith('/client/')) {
      return void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>A page</title>')
    }
    const source = await readFile(join(CLIENT, basename(request.url)), 'utf8')
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(stripTypeScriptTypes(source))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  running.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Opens pages in a real browser, which is ended after the tests. */
export async function aBrowser(): Promise<(address: string) => Promise<Page>> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  running.push(() => browser.close())
  return async (address) => {
    const page = await browser.newPage()
    await page.goto(address)
    return page
  }
}
