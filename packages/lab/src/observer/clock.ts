/** CLOCK_MONOTONIC in ms, the same in every thread (performance.now() counts from each thread's start). */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
