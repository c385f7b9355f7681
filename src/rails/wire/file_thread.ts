import { parentPort, workerData } from 'node:worker_threads'
import { parseBankFile } from './parse_file.ts'

// The thread that file_reader.ts starts for one file.

parentPort?.postMessage(parseBankFile(Buffer.from(workerData as Uint8Array)))
