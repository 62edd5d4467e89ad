/*
 * exuvia-launch --lock FILE [--cpus LIST] [--nice N] [--successor-of PID] [--tap TAP]... -- PROGRAM [ARGUMENT]...
 *
 * Takes an exclusive lock on FILE, restricts itself to the CPUs of LIST (1-3,6), takes the nice value N, and becomes
 * PROGRAM. The lock belongs to the open file, which PROGRAM inherits: it holds for as long as PROGRAM lives, whatever
 * becomes of whoever started it, and a second PROGRAM with the same FILE is impossible.
 *
 * With --successor-of, PROGRAM shares the lock that PID holds on FILE (successor.h) and takes its place: control
 * group, CPUs and nice value are those of PID. The lock is free when both have ended.
 *
 * Each TAP (NAME,FD,BRIDGE,MAC; common/tap.h) is opened, made if need be, and inherited by PROGRAM as descriptor FD; with
 * --successor-of it is the very one that PID has open, so that the interface never goes down.
 *
 * Exit codes before PROGRAM has begun (sysexits.h, and a shell's for exec): 64 usage, 66 FILE cannot be
 * opened, 69 PID does not hold the lock or a TAP, 71 CPUs, nice value, control group or a TAP cannot be had, 75 another
 * process holds the lock, 126 PROGRAM cannot be run, 127 it does not exist.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include "successor.h"
#include "tap.h"

#define MAX_CPUS 8192

static int usage(void) {
  fprintf(stderr, "usage: exuvia-launch --lock FILE [--cpus LIST] [--nice N] [--successor-of PID] [--tap TAP]... -- "
                  "PROGRAM [ARGUMENT]...\n");
  return EX_USAGE;
}

/* Reads a CPU number; moves *text behind it. */
static bool read_cpu(const char **text, unsigned long *cpu) {
  char *end;
  if (**text < '0' || **text > '9') return false;
  *cpu = strtoul(*text, &end, 10);
  *text = end;
  return *cpu < MAX_CPUS;
}

/* Fills `set` from a list such as 1-3,6. */
static bool parse_cpus(const char *list, cpu_set_t *set, size_t size) {
  CPU_ZERO_S(size, set);
  for (;;) {
    unsigned long first, last;
    if (!read_cpu(&list, &first)) return false;
    last = first;
    if (*list == '-') {
      list++;
      if (!read_cpu(&list, &last) || last < first) return false;
    }
    for (unsigned long cpu = first; cpu <= last; cpu++) CPU_SET_S(cpu, size, set);
    if (*list == 0) return true;
    if (*list++ != ',') return false;
  }
}

static int set_cpus(const char *list) {
  size_t size = CPU_ALLOC_SIZE(MAX_CPUS);
  cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
  if (!set || !parse_cpus(list, set, size)) {
    fprintf(stderr, "exuvia-launch: '%s' is no list of CPUs such as 1-3,6\n", list);
    return EX_USAGE;
  }
  if (sched_setaffinity(0, size, set) < 0) {
    fprintf(stderr, "exuvia-launch: CPUs %s: %s\n", list, strerror(errno));
    return EX_OSERR;
  }
  CPU_FREE(set);
  return EX_OK;
}

static int set_nice(const char *text) {
  char *end;
  long value = strtol(text, &end, 10);
  if (end == text || *end || value < -20 || value > 19) {
    fprintf(stderr, "exuvia-launch: '%s' is no nice value from -20 to 19\n", text);
    return EX_USAGE;
  }
  if (setpriority(PRIO_PROCESS, 0, (int)value) == 0) return EX_OK;
  fprintf(stderr, "exuvia-launch: nice value %ld: %s\n", value, strerror(errno));
  return EX_OSERR;
}

/* Without O_CLOEXEC: the descriptor, and the lock with it, goes on into PROGRAM. */
static int lock(const char *path) {
  int fd = open(path, O_RDONLY | O_NOFOLLOW);
  if (fd < 0) {
    fprintf(stderr, "exuvia-launch: %s: %s\n", path, strerror(errno));
    return EX_NOINPUT;
  }
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return EX_OK;
  if (errno == EWOULDBLOCK) {
    fprintf(stderr, "exuvia-launch: %s is in use: another process runs on it\n", path);
    return EX_TEMPFAIL;
  }
  fprintf(stderr, "exuvia-launch: %s cannot be locked: %s\n", path, strerror(errno));
  return EX_NOINPUT;
}

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("exuvia-launch: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
}

static int open_taps(const struct tap *taps, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (open_tap(&taps[i], complain)) continue;
    complain("%s: %s", taps[i].name, strerror(errno));
    return EX_OSERR;
  }
  return EX_OK;
}

int main(int argc, char **argv) {
  const char *lock_file = NULL, *cpus = NULL, *nice_value = NULL, *old = NULL;
  struct tap taps[MAX_TAPS];
  size_t tap_count = 0;
  int next = 1;
  for (; next < argc && strcmp(argv[next], "--") != 0; next += 2) {
    if (next + 1 >= argc) return usage();
    if (strcmp(argv[next], "--lock") == 0) lock_file = argv[next + 1];
    else if (strcmp(argv[next], "--cpus") == 0) cpus = argv[next + 1];
    else if (strcmp(argv[next], "--nice") == 0) nice_value = argv[next + 1];
    else if (strcmp(argv[next], "--successor-of") == 0) old = argv[next + 1];
    else if (strcmp(argv[next], "--tap") == 0 && tap_count < MAX_TAPS && parse_tap(argv[next + 1], &taps[tap_count]))
      tap_count++;
    else return usage();
  }
  char **program = argv + next + 1;
  if (!lock_file || next + 1 >= argc) return usage();

  int result = old ? succeed(atoi(old), lock_file) : lock(lock_file);
  if (result == EX_OK && cpus) result = set_cpus(cpus);
  if (result == EX_OK && nice_value) result = set_nice(nice_value);
  if (result == EX_OK) result = old ? share_taps(atoi(old), taps, tap_count) : open_taps(taps, tap_count);
  if (result != EX_OK) return result;
  execvp(program[0], program);
  fprintf(stderr, "exuvia-launch: %s: %s\n", program[0], strerror(errno));
  return errno == ENOENT ? 127 : 126;
}
