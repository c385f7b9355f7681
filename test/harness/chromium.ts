import { existsSync } from 'node:fs'

/** Where Debian's package puts it. */
export const CHROMIUM = '/usr/bin/chromium'

/** Why tests with a browser are left out here; false where there is one. Where `CI` is set, tools/test.ts insists on it. */
export const noBrowser: string | false =
  !existsSync(CHROMIUM) && `there is no ${CHROMIUM}: apt-get install --no-install-recommends chromium`
