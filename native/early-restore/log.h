/* Messages to the kernel log, and the record that the agent reads afterwards. */
#ifndef EXUVIA_LOG_H
#define EXUVIA_LOG_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define RECORD_BYTES 131072

/* Lines `stamp NAME VM|- TSC`, `clock TSC MONOTONIC-NS`, `vm NAME restored PID`, `vm NAME failed WHY`. */
static char record[RECORD_BYTES];
static size_t record_used;

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(record + record_used, sizeof record - record_used, format, args);
  va_end(args);
  if (n > 0 && record_used + (size_t)n < sizeof record) record_used += (size_t)n;
}

static void stamp(const char *name, const char *vm) {
  note("stamp %s %s %llu\n", name, vm, (unsigned long long)tsc_now());
}

static void logf_kernel(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void logf_kernel(const char *format, ...) {
  static int fd = -1; /* stays open: /dev moves away before the VMs are restored */
  if (fd < 0) fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  char line[512] = "<5>exuvia: ";
  size_t used = strlen(line);
  va_list args;
  va_start(args, format);
  vsnprintf(line + used, sizeof line - used, format, args);
  va_end(args);
  (void)!write(fd, line, strlen(line));
}

#endif
