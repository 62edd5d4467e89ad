/* CPUs: those that a VM may run on, and those that join before it does. */
#ifndef EXUVIA_CPUS_H
#define EXUVIA_CPUS_H

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

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

static void join_cpu(int cpu) {
  char path[80], state = '1';
  snprintf(path, sizeof path, SYSROOT "/sys/devices/system/cpu/cpu%d/online", cpu);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return; /* one that is always there, or is not there any more */
  if (read(fd, &state, 1) == 1 && state == '0' && pwrite(fd, "1", 1, 0) != 1)
    logf_kernel("CPU %d does not join: %s", cpu, strerror(errno));
  close(fd);
}

static pid_t joining = -1;

/*
 * Brings up what the kernel before had and this one did not start with (`maxcpus=` on its command line), while the QEMUs
 * start: every CPU more holds up the loading of modules, one that joins holds up a mount (both wait for its lock), and
 * one that joins afterwards holds up guests.
 */
static void start_joining(void) {
  cpu_set_t set;
  if (!online_cpus || !parse_cpus(online_cpus, &set)) return;
  joining = fork();
  if (joining > 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &set)) join_cpu(cpu);
  stamp("cpus-joined", "-");
  if (joining == 0) _exit(0);
}

/* Before the first guest's next instruction, and before a QEMU is confined to a CPU that may have to join. */
static void end_joining(void) {
  if (joining <= 0) return;
  waitpid(joining, NULL, 0);
  joining = -1;
}

/* True: it had other CPUs, and has these now. */
static bool confine_task(pid_t task, const cpu_set_t *set, const char *list) {
  cpu_set_t has;
  if (sched_getaffinity(task, sizeof has, &has) == 0 && CPU_EQUAL(&has, set)) return false;
  if (sched_setaffinity(task, sizeof *set, set) == 0) return true;
  if (errno != ESRCH) logf_kernel("cpus %s: %s", list, strerror(errno));
  return false;
}

static bool confine_tasks(const struct vm *vm, const cpu_set_t *set) {
  char path[64];
  bool changed = false;
  snprintf(path, sizeof path, SYSROOT "/proc/%d/task", (int)vm->pid);
  DIR *tasks = opendir(path);
  if (!tasks) logf_kernel("%s: %s", path, strerror(errno));
  for (struct dirent *entry; tasks && (entry = readdir(tasks));)
    if (entry->d_name[0] != '.') changed |= confine_task(atoi(entry->d_name), set, vm->cpus);
  if (tasks) closedir(tasks);
  return changed;
}

#define CONFINE_PASSES 4

/*
 * A QEMU starts and loads on any CPU; before its guest's first instruction it is confined to those of its VM. The thread that
 * makes the others comes first: what it makes from then on inherits its CPUs. A list of threads may end early when one of
 * them ends (Linux 6.12, fs/proc/base.c, proc_task_readdir): it is read again while somebody in it had other CPUs, and
 * not for ever, because the kernel leaves out CPUs that are not there.
 */
static void confine(const struct vm *vm) {
  cpu_set_t set;
  if (!vm->cpus || !parse_cpus(vm->cpus, &set)) return;
  confine_task(vm->pid, &set, vm->cpus);
  int passes = CONFINE_PASSES;
  while (passes-- > 0 && confine_tasks(vm, &set)) continue;
}

#endif
