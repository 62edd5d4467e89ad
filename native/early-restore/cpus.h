/* Where a QEMU may run. */
#ifndef EXUVIA_CPUS_H
#define EXUVIA_CPUS_H

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "plan.h"

/* Parses a list such as 1-3,6; what is no list gives the CPUs before the mistake. */
static void parse_cpus(const char *list, cpu_set_t *set) {
  CPU_ZERO(set);
  for (const char *p = list; p && *p;) {
    char *end;
    unsigned long first = strtoul(p, &end, 10), last = first;
    if (end == p) return;
    if (*end == '-') last = strtoul(end + 1, &end, 10);
    for (unsigned long cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++) CPU_SET(cpu, set);
    p = *end == ',' ? end + 1 : end;
  }
}

/* The CPU on which the VM with this number starts: one each keeps a starting QEMU's page tables on one CPU. */
static int starting_cpu(size_t index) {
  cpu_set_t online;
  if (sched_getaffinity(0, sizeof online, &online) < 0) return -1;
  int left = (int)(index % (size_t)CPU_COUNT(&online));
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &online) && left-- == 0) return cpu;
  return -1;
}

static void stay_on_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < 0) return;
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) < 0) logf_kernel("CPU %d: %s", cpu, strerror(errno));
}

/* Moves every thread of a process to `set`; returns how many were elsewhere. */
static int move_threads(pid_t pid, const cpu_set_t *set) {
  char path[64];
  int moved = 0;
  snprintf(path, sizeof path, SYSROOT "/proc/%d/task", (int)pid);
  DIR *dir = opendir(path);
  if (!dir) return 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    cpu_set_t now;
    pid_t thread = (pid_t)atoi(entry->d_name);
    if (thread <= 0 || sched_getaffinity(thread, sizeof now, &now) < 0 || CPU_EQUAL(&now, set)) continue;
    if (sched_setaffinity(thread, sizeof *set, set) == 0) moved++;
    else logf_kernel("thread %d: %s", (int)thread, strerror(errno));
  }
  closedir(dir);
  return moved;
}

/* Lets a restored VM run on the CPUs of its plan; a thread that is born meanwhile is found in the next round. */
static void leave_starting_cpu(const struct vm *vm, const cpu_set_t *everywhere) {
  cpu_set_t set = *everywhere;
  if (vm->cpus) {
    parse_cpus(vm->cpus, &set);
    CPU_AND(&set, &set, everywhere);
    if (CPU_COUNT(&set) == 0) set = *everywhere;
  }
  for (int round = 0; round < 8 && move_threads(vm->pid, &set) > 0; round++) {
  }
}

#endif
