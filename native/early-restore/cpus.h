/* CPUs: those that a VM may run on, and those that join when the VMs run. */
#ifndef EXUVIA_CPUS_H
#define EXUVIA_CPUS_H

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>

#include "log.h"
#include "plan.h"

/* A list as the kernel writes them: 0-3,8. False: not one. */
static bool parse_cpus(const char *list, cpu_set_t *set) {
  CPU_ZERO(set);
  for (const char *p = list; *p;) {
    char *end;
    unsigned long first = strtoul(p, &end, 10), last = first;
    if (end == p) return false;
    if (*end == '-') last = strtoul(end + 1, &end, 10);
    for (unsigned long cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++) CPU_SET(cpu, set);
    p = *end == ',' ? end + 1 : end;
  }
  return CPU_COUNT(set) > 0;
}

/*
 * Brings up what the kernel before had and this one did not start with (`maxcpus=` on its command line): after the VMs,
 * so that they need not wait for it.
 */
static void complete_cpus(void) {
  cpu_set_t set;
  if (!online_cpus || !parse_cpus(online_cpus, &set)) return;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    char path[80], state = '1';
    if (!CPU_ISSET(cpu, &set)) continue;
    snprintf(path, sizeof path, SYSROOT "/sys/devices/system/cpu/cpu%d/online", cpu);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) continue; /* one that is always there, or is not there any more */
    if (read(fd, &state, 1) == 1 && state == '0' && pwrite(fd, "1", 1, 0) != 1)
      logf_kernel("CPU %d does not join: %s", cpu, strerror(errno));
    close(fd);
  }
}

static void confine_task(pid_t task, const cpu_set_t *set, const char *list) {
  if (sched_setaffinity(task, sizeof *set, set) == 0 || errno == ESRCH) return;
  if (errno == EINVAL) { /* none of them has been started */
    complete_cpus();
    if (sched_setaffinity(task, sizeof *set, set) == 0) return;
  }
  logf_kernel("cpus %s: %s", list, strerror(errno));
}

/*
 * A QEMU starts and loads on any CPU; before its guest's first instruction it is confined to those of its VM. The thread that
 * makes the others comes first: what it makes from then on inherits its CPUs.
 */
static void confine(const struct vm *vm) {
  char path[64];
  cpu_set_t set;
  if (!vm->cpus || !parse_cpus(vm->cpus, &set)) return;
  confine_task(vm->pid, &set, vm->cpus);
  snprintf(path, sizeof path, SYSROOT "/proc/%d/task", (int)vm->pid);
  DIR *tasks = opendir(path);
  if (!tasks) {
    logf_kernel("%s: %s", path, strerror(errno));
    return;
  }
  for (struct dirent *entry; (entry = readdir(tasks));)
    if (entry->d_name[0] != '.') confine_task(atoi(entry->d_name), &set, vm->cpus);
  closedir(tasks);
}

#endif
