/*
 * exuvia-clock: prints `TSC MONOTONIC-RAW-NS BOOTTIME-NS`, read at one moment.
 *
 * The agent takes two readings to know the TSC's frequency. The tightest of several is printed, because an
 * interrupt between the reads would spoil it.
 */
#include <stdio.h>

#include "clock.h"

int main(void) {
  uint64_t best = UINT64_MAX, tsc = 0, raw = 0, boot = 0;
  for (int i = 0; i < 32; i++) {
    uint64_t before = tsc_now(), r = clock_ns(CLOCK_MONOTONIC_RAW), b = clock_ns(CLOCK_BOOTTIME), after = tsc_now();
    if (after - before >= best) continue;
    best = after - before;
    tsc = before + (after - before) / 2;
    raw = r;
    boot = b;
  }
  printf("%llu %llu %llu\n", (unsigned long long)tsc, (unsigned long long)raw, (unsigned long long)boot);
  return 0;
}
