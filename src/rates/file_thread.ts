import { parentPort, workerData } from 'node:worker_threads'
import { parseRateFile, type SentFile } from './ecb.ts'

// The thread that file_reader.ts starts for one file.

const { text, format } = workerData as SentFile
parentPort?.postMessage(parseRateFile(text, format))
