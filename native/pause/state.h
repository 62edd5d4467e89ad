/* What the parts of exuvia-pause share: the VMs, the stamps, and how a failure is told. */
#ifndef EXUVIA_PAUSE_STATE_H
#define EXUVIA_PAUSE_STATE_H

#include <stdarg.h>

#include "clock.h"
#include "qmp.h"
#include "text.h"

#define MAX_VMS 256
#define MAX_SYNCS 16
#define STAMPS_BYTES 65536

enum migration { MIGRATION_NONE, MIGRATION_ACTIVE, MIGRATION_COMPLETED, MIGRATION_FAILED };

/* Where a VM's memory is looked at: one piece in so many bytes, at most so many pieces. */
#define SAMPLE_STRIDE 524288u
#define SAMPLE_MAX 65536u
#define SAMPLE_BYTES 64u

struct vm {
  const char *name, *socket, *state, *ram;
  bool may_be_left; /* when it cannot be saved the others go on without it */
  bool left;
  const unsigned char *memory; /* its RAM file, mapped to be looked at */
  unsigned long long memory_bytes, stride;
  uint32_t memory_crc;
  struct qmp qmp;
  unsigned awaiting; /* id of the command that is under way; 0: none */
  bool refused;      /* its reply was an error */
  bool stopped, resumed, closed;
  enum migration migration;
  char why[256];
};

static struct vm vms[MAX_VMS];
static size_t vm_count;
static const char *syncs[MAX_SYNCS], *manifest, *stamps_file, *journal, *commit_record, *watchdog;
static size_t sync_count;
static unsigned timeout_ms = 30000, next_id = 1, watchdog_seconds;
static bool abort_asked, suspending;
static char stamps[STAMPS_BYTES], failure[512];
static size_t stamps_used;
static int stamps_fd = -1, manifest_fd = -1, watchdog_fd = -1;

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
