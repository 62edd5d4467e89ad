/* Messages to the kernel log, and the record that the agent reads afterwards. */
#ifndef EXUVIA_LOG_H
#define EXUVIA_LOG_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"

#define RECORD_BYTES 131072
#define MAX_VMS 256

/* Lines `stamp NAME VM|- TSC`, `clock TSC MONOTONIC-NS`, `vm NAME restored PID`, `vm NAME failed WHY`. */
struct record {
  size_t used;
  unsigned resumed; /* guests that may have executed an instruction */
  int direction;    /* enum direction: whoever sets it first decides */
  bool leaving;     /* somebody is about to load the kernel before */
  pid_t qemus[MAX_VMS];
  char text[RECORD_BYTES];
};
enum direction { UNDECIDED, GOING_ON, GOING_BACK };

static struct record *record; /* shared with the processes that load modules, and with the guardian */

static bool open_record(void) {
  record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (record == MAP_FAILED) record = NULL;
  return record != NULL;
}

/* A guest goes on here, or the machine goes back to the kernel before: never both. False: the other was decided. */
static bool decide(enum direction direction) {
  int expected = UNDECIDED;
  return __atomic_compare_exchange_n(&record->direction, &expected, direction, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ||
         expected == (int)direction;
}

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n <= 0 || (size_t)n >= sizeof line) return;
  size_t at = __atomic_fetch_add(&record->used, (size_t)n, __ATOMIC_RELAXED);
  if (at + (size_t)n <= sizeof record->text) memcpy(record->text + at, line, (size_t)n);
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
