/* What a program that is process 1 of a guest does first. */
#ifndef EXUVIA_BOOT_H
#define EXUVIA_BOOT_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void write_text(const char *path, const char *text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, text, strlen(text)) < 0) perror(path);
  close(fd);
}

static void read_line(const char *path, char *line, size_t size) {
  FILE *file = fopen(path, "re");
  line[0] = '\0';
  if (file != NULL) {
    if (fgets(line, (int)size, file) == NULL) line[0] = '\0';
    fclose(file);
  }
  line[strcspn(line, "\n")] = '\0';
}

/* The value of NAME=value on the kernel command line, or the fallback. */
static void argument(const char *cmdline, const char *name, const char *fallback, char *value, size_t size) {
  const size_t length = strlen(name);
  snprintf(value, size, "%s", fallback);
  for (const char *at = cmdline; (at = strstr(at, name)) != NULL; at += length) {
    if ((at == cmdline || at[-1] == ' ') && at[length] == '=') {
      snprintf(value, size, "%.*s", (int)strcspn(at + length + 1, " \n"), at + length + 1);
      return;
    }
  }
}

/* Inserts /modules/NAME.ko in the order of /modules/list. */
static void load_modules(void) {
  FILE *list = fopen("/modules/list", "re");
  char name[64], path[96];
  while (list != NULL && fscanf(list, "%63s", name) == 1) {
    snprintf(path, sizeof path, "/modules/%s", name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST)) perror(path);
    if (fd >= 0) close(fd);
  }
  if (list != NULL) fclose(list);
}

static void mount_all(void) {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mkdir("/dev", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  const int console = open("/dev/console", O_RDWR);
  if (console >= 0) {
    dup2(console, 0);
    dup2(console, 1);
    dup2(console, 2);
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
}

/* Keeps the kernel from moving the heartbeat page or giving work to its own housekeeping. */
static void keep_pages_in_place(void) {
  write_text("/proc/sys/vm/compact_unevictable_allowed", "0");
  write_text("/proc/sys/vm/compaction_proactiveness", "0");
  write_text("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
}

#endif
