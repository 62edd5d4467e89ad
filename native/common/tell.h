/* How a program that the agent leads tells what happens, and when: lines on its output, failures, TSC stamps. */
#ifndef EXUVIA_TELL_H
#define EXUVIA_TELL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"

#define STAMPS_BYTES 65536

static bool abort_asked; /* by the agent, or by its death */
static char stamps[STAMPS_BYTES], failure[512];
static size_t stamps_used;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  if (n < 0) return;
  if ((size_t)n > sizeof line - 2) n = (int)sizeof line - 2;
  line[n] = '\n';
  (void)!write(STDOUT_FILENO, line, (size_t)n + 1); /* a dead agent must not stop us */
}

static bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(failure, sizeof failure, format, args);
  va_end(args);
  return false;
}

static void stamp(const char *name, const char *vm) {
  int n = snprintf(stamps + stamps_used, sizeof stamps - stamps_used, "stamp %s %s %llu\n", name, vm,
                   (unsigned long long)tsc_now());
  if (n > 0 && stamps_used + (size_t)n < sizeof stamps) stamps_used += (size_t)n;
}

static void stamp_clock(void) {
  uint64_t tsc = tsc_now(), ns = clock_ns(CLOCK_MONOTONIC_RAW);
  int n = snprintf(stamps + stamps_used, sizeof stamps - stamps_used, "clock %llu %llu\n",
                   (unsigned long long)tsc, (unsigned long long)ns);
  if (n > 0 && stamps_used + (size_t)n < sizeof stamps) stamps_used += (size_t)n;
}

#endif
