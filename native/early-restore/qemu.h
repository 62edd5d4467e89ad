/* Becoming a VM's QEMU: control group, root, log, taps and lock, as it has them from its first instruction on. */
#ifndef EXUVIA_QEMU_H
#define EXUVIA_QEMU_H

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "log.h"
#include "plan.h"

#define QMP_FD 3

static void make_directories(const char *path) {
  char whole[512];
  snprintf(whole, sizeof whole, "%s%s", SYSROOT, path);
  for (char *p = whole + 1; *p; p++)
    if (*p == '/') {
      *p = 0;
      mkdir(whole, 0755);
      *p = '/';
    }
  mkdir(whole, 0700);
}

/*
 * A process that is in its control group from its first instruction on (CLONE_INTO_CGROUP, Linux 5.7): one that enters a group
 * has to wait for CPUs that join (cgroup_attach_lock, Linux 7.2 kernel/cgroup/cgroup.c).
 */
static pid_t fork_into_cgroup(const char *scope) {
  char where[560];
  snprintf(where, sizeof where, "%s/sys/fs/cgroup/%s", SYSROOT, scope);
  int fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct clone_args child = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned)fd};
  pid_t pid = fd < 0 ? -1 : (pid_t)syscall(SYS_clone3, &child, sizeof child);
  if (pid == 0) return 0;
  if (pid < 0) logf_kernel("%s: %s", where, strerror(errno));
  if (fd >= 0) close(fd);
  return pid < 0 ? fork() : pid; /* better outside of its group than not at all */
}

/*
 * Where there are fewer processors than VMs, those of higher priority come first, and all that are being restored
 * before guests that run already. Each QEMU is a session, which the kernel schedules as a group (Linux
 * kernel/sched/autogroup.c), and a group has a nice value too; from its guest's first instruction on it is 0 again
 * (vm.h). Without such groups all are equals.
 */
#define NICE_A_TURN 5

static void group_nice(const char *process, int nice) {
  char path[64];
  snprintf(path, sizeof path, SYSROOT "/proc/%s/autogroup", process);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (dprintf(fd, "%d", nice) < 0) logf_kernel("%s: %s", path, strerror(errno));
  close(fd);
}

/* In the child, in a session of its own: as many VMs as there are CPUs have the same turn. */
static void take_turn(const struct vm *vm) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) < 0) return;
  const size_t cpus = (size_t)CPU_COUNT(&set);
  const size_t turns_left = (vm_count - 1) / cpus - (size_t)(vm - vms) / cpus + 1;
  group_nice("self", turns_left < 4 ? -(int)turns_left * NICE_A_TURN : -20);
}

static int open_at_least(const char *path, int flags, int lowest) {
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) return -1;
  int moved = fcntl(fd, F_DUPFD, lowest);
  int saved = errno;
  close(fd);
  errno = saved;
  return moved;
}

static void tell_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell_log(const char *format, ...) {
  char line[256];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  dprintf(STDERR_FILENO, "exuvia: %s\n", line);
}

/*
 * As many descriptors as a service's programs have (systemd 240, system.conf(5), DefaultLimitNOFILE; a program of Node.js
 * raises the soft limit to the hard one, and its children have that): the kernel gives process 1 far fewer, and a
 * QEMU takes two for each queue of a device.
 */
#define OPEN_FILES 524288

static void allow_open_files(void) {
  const struct rlimit files = {.rlim_cur = OPEN_FILES, .rlim_max = OPEN_FILES};
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) logf_kernel("%d open files: %s", OPEN_FILES, strerror(errno));
}

/* In the child, in its control group: everything else that must hold from QEMU's first instruction on. Returns only on failure. */
static void become_qemu(const struct vm *vm, int qmp) {
  setsid();
  if (vm->nice && setpriority(PRIO_PROCESS, 0, atoi(vm->nice)) < 0) logf_kernel("nice %s: %s", vm->nice, strerror(errno));
  take_turn(vm);
  allow_open_files();
  if (chroot(SYSROOT) < 0 || chdir("/") < 0) _exit(71);
  int log = open(vm->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  if (log >= 0) {
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
  }
  /* What stays open here of other VMs may have any number: that of a tap too. */
  qmp = fcntl(qmp, F_DUPFD_CLOEXEC, LAST_TAP_FD + 1);
  if (dup2(qmp, QMP_FD) < 0) _exit(71);
  for (size_t i = 0; i < vm->tap_count; i++) {
    if (open_tap(&vm->taps[i], tell_log)) continue;
    tell_log("%s: %s", vm->taps[i].name, strerror(errno));
    _exit(71);
  }
  /* The lock lives as long as this process: a second QEMU on the same memory cannot start. */
  int ram = open_at_least(vm->ram, O_RDWR, LAST_TAP_FD + 1);
  if (ram < 0 || flock(ram, LOCK_EX | LOCK_NB) < 0) {
    dprintf(STDERR_FILENO, "exuvia: %s: %s\n", vm->ram, strerror(errno));
    _exit(75);
  }
  execve(vm->args[0], (char *const *)vm->args, (char *const *)vm->env);
  dprintf(STDERR_FILENO, "exuvia: %s: %s\n", vm->args[0], strerror(errno));
  _exit(127);
}

#endif
