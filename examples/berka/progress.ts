import cliProgress from 'cli-progress'
import type { OnProgress, Stage } from './replay.ts'

/** A bar for each stage on a terminal; elsewhere a line now and then, which a log can keep. */
export function showProgress(stream: NodeJS.WriteStream): { onProgress: OnProgress; end: () => void } {
  return stream.isTTY ? barsOn(stream) : linesOn(stream)
}

function barsOn(stream: NodeJS.WriteStream) {
  const format = '{stage} {bar} {percentage} % | {value} of {total}'
  let bar: cliProgress.SingleBar | undefined
  let current: Stage | undefined
  const onProgress: OnProgress = (stage, done, total) => {
    if (stage !== current) {
      bar?.stop()
      bar = new cliProgress.SingleBar({ format, stream, hideCursor: true }, cliProgress.Presets.shades_classic)
      bar.start(total, 0, { stage: stage.padEnd(7) })
      current = stage
    }
    bar?.update(done)
  }
  return { onProgress, end: () => bar?.stop() }
}

function linesOn(stream: NodeJS.WriteStream) {
  const onProgress: OnProgress = (stage, done, total) => {
    if (done % 1_000 === 0 || done === total) stream.write(`${stage.padEnd(7)} ${done} of ${total}\n`)
  }
  return { onProgress, end: () => undefined }
}
