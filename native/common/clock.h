/* The TSC: the one clock that runs through a kexec (Linux never writes it on x86-64 with a stable TSC). */
#ifndef EXUVIA_CLOCK_H
#define EXUVIA_CLOCK_H

#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

static inline uint64_t tsc_now(void) {
  _mm_lfence();
  return __rdtsc();
}

static inline uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t monotonic_ms(void) { return clock_ns(CLOCK_MONOTONIC) / 1000000u; }

#endif
