import { getTestContext } from 'node:test'

/**
 * Has `end` called when the test, suite or file is over that began something: a gateway that nobody needs any more still
 * asks its database what is new, and thirty of them slow down every test behind.
 */
export function endsWithTest(end: () => Promise<unknown>): void {
  const context = getTestContext()
  if (context && 'after' in context) context.after(async () => void (await end()))
}
