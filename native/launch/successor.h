/*
 * Taking the place of a process that runs on the same FILE.
 *
 * Its lock is shared, not taken anew: a flock belongs to the open file description, of which pidfd_getfd(2)
 * (Linux 5.6) gives a second descriptor. No moment is left in which a third program could take it. In the same way
 * its taps are shared.
 */
#ifndef EXUVIA_LAUNCH_SUCCESSOR_H
#define EXUVIA_LAUNCH_SUCCESSOR_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "tap.h"

/* True when descriptor `fd` of `pid` is FILE and carries a flock (`lock: 1: FLOCK ...` in its fdinfo). */
static bool carries_lock(int pid, const char *fd, const struct stat *file) {
  char path[320], line[256];
  struct stat other;
  snprintf(path, sizeof path, "/proc/%d/fd/%s", pid, fd);
  if (stat(path, &other) < 0 || other.st_ino != file->st_ino || other.st_dev != file->st_dev) return false;
  snprintf(path, sizeof path, "/proc/%d/fdinfo/%s", pid, fd);
  FILE *info = fopen(path, "re");
  bool found = false;
  while (info && !found && fgets(line, sizeof line, info))
    found = strncmp(line, "lock:", 5) == 0 && strstr(line, "FLOCK") != NULL;
  if (info) fclose(info);
  return found;
}

/* The number that the lock's descriptor has in `pid`; -1 without one. */
static int locked_descriptor(int pid, const struct stat *file) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  DIR *directory = opendir(path);
  int found = -1;
  for (struct dirent *entry; directory && found < 0 && (entry = readdir(directory));)
    if (entry->d_name[0] != '.' && carries_lock(pid, entry->d_name, file)) found = atoi(entry->d_name);
  if (directory) closedir(directory);
  return found;
}

static int share_lock(int pid, const char *path) {
  struct stat file;
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  int theirs = pidfd >= 0 && stat(path, &file) == 0 ? locked_descriptor(pid, &file) : -1;
  int ours = theirs < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
  /* pidfd_getfd sets close-on-exec; the lock must go on into PROGRAM. */
  if (ours >= 0 && fcntl(ours, F_SETFD, 0) == 0) return EX_OK;
  fprintf(stderr, "exuvia-launch: process %d holds no lock on %s%s%s\n", pid, path, theirs < 0 ? "" : ": ",
          theirs < 0 ? "" : strerror(errno));
  return EX_UNAVAILABLE;
}

/* The VM's taps have the same numbers in every QEMU of it. */
static int share_taps(int pid, const struct tap *taps, size_t count) {
  int pidfd = count > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
  for (size_t i = 0; i < count; i++) {
    struct ifreq found = {0};
    int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, taps[i].fd, 0);
    bool is_it = fd >= 0 && ioctl(fd, TUNGETIFF, &found) == 0 && strcmp(found.ifr_name, taps[i].name) == 0;
    if (is_it && number_tap(fd, &taps[i])) continue;
    fprintf(stderr, "exuvia-launch: process %d does not hold %s as descriptor %d\n", pid, taps[i].name, taps[i].fd);
    return EX_UNAVAILABLE;
  }
  if (pidfd >= 0) close(pidfd);
  return EX_OK;
}

/* Moves this process into the control group of `pid` (cgroup v2; elsewhere nothing is moved). */
static int join_control_group(int pid) {
  char path[512], line[400] = "";
  snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
  FILE *file = fopen(path, "re");
  bool unified = file && fgets(line, sizeof line, file) && strncmp(line, "0::", 3) == 0;
  if (file) fclose(file);
  if (!unified) return EX_OK;
  line[strcspn(line, "\n")] = 0;
  snprintf(path, sizeof path, "/sys/fs/cgroup%s/cgroup.procs", line + 3);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return EX_OK; /* no cgroup v2 mounted */
  bool moved = fd >= 0 && write(fd, "0", 1) == 1;
  if (!moved) fprintf(stderr, "exuvia-launch: %s: %s\n", path, strerror(errno));
  if (fd >= 0) close(fd);
  return moved ? EX_OK : EX_OSERR;
}

static int take_scheduling(int pid) {
  size_t size = CPU_ALLOC_SIZE(8192);
  cpu_set_t *set = CPU_ALLOC(8192);
  bool good = set && sched_getaffinity(pid, size, set) == 0 && sched_setaffinity(0, size, set) == 0;
  if (!good) fprintf(stderr, "exuvia-launch: CPUs of process %d: %s\n", pid, strerror(errno));
  CPU_FREE(set);
  errno = 0;
  int nice_value = getpriority(PRIO_PROCESS, (id_t)pid);
  if (errno == 0) setpriority(PRIO_PROCESS, 0, nice_value);
  return good ? EX_OK : EX_OSERR;
}

static int succeed(int pid, const char *lock_file) {
  int result = share_lock(pid, lock_file);
  if (result == EX_OK) result = join_control_group(pid);
  return result == EX_OK ? take_scheduling(pid) : result;
}

#endif
