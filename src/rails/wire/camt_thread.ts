import { parentPort, workerData } from 'node:worker_threads'
import { parseCamt } from './camt.ts'

// The thread that camt_reader.ts starts for one file.

parentPort?.postMessage(parseCamt(Buffer.from(workerData as Uint8Array)))
