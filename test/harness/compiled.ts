import { join } from 'node:path'

/** Where node keeps what it compiled of our programs, for whoever runs them next: `npm start` and its like too. */
export const COMPILED = join(import.meta.dirname, '../../node_modules/.cache/compiled')
