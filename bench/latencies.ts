/** Milliseconds. */
export type Latencies = { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number }

export function latencies(times: readonly number[]): Latencies {
  const sorted = [...times].sort((left, right) => left - right)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted.at(-1) ?? 0 }
}
