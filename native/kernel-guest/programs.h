/* The load programs, each under its own name (links to process 1's file). */
#ifndef EXUVIA_PROGRAMS_H
#define EXUVIA_PROGRAMS_H

#include <fcntl.h>
#include <linux/reboot.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../guest/disk.h"
#include "clock.h"
#include "work.h"

#define TEXT_BYTES 4096

/*
 * hammer FILE [SECONDS] [TEXT...]: opens, reads and closes a file for ever or for some time, and compares
 * what it reads with the texts (the file's first content when there are none). Prints the calls a second.
 */
static int hammer(int argc, char **argv) {
  struct work_page *work = work_open();
  char first[TEXT_BYTES], text[TEXT_BYTES];
  const char *path = argc > 1 ? argv[1] : "/proc/version";
  const uint64_t limit = (uint64_t)(argc > 2 ? atoi(argv[2]) : 0) * 1000;
  const uint64_t began = monotonic_ms();
  uint64_t calls = 0;
  for (first[0] = '\0';; calls++) {
    const int fd = open(path, O_RDONLY);
    const ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    if (argc <= 3 && first[0] == '\0') strcpy(first, text);
    int known = argc <= 3 && strcmp(first, text) == 0;
    for (int i = 3; i < argc && !known; i++) known = strstr(text, argv[i]) != NULL;
    if (!known && atomic_fetch_add(&work->errors, 1) == 0) printf("hammer: %s: unexpected: %s\n", path, text);
    atomic_fetch_add(&work->verified, 1);
    if (limit != 0 && (calls & 63) == 0 && monotonic_ms() - began >= limit) break;
  }
  printf("%.0f\n", (double)calls * 1000 / (double)(monotonic_ms() - began));
  return 0;
}

/* callloop FILE COUNT: reads an open file from its beginning so often; prints the nanoseconds a call. */
static int callloop(int argc, char **argv) {
  char text[TEXT_BYTES];
  const int fd = open(argc > 1 ? argv[1] : "/proc/version", O_RDONLY);
  const long count = argc > 2 ? atol(argv[2]) : 100000;
  const uint64_t began = clock_ns(CLOCK_MONOTONIC);
  for (long i = 0; i < count; i++) {
    if (pread(fd, text, sizeof text, 0) > 0) continue;
    perror("pread");
    return 1;
  }
  printf("%.1f\n", (double)(clock_ns(CLOCK_MONOTONIC) - began) / (double)count);
  return 0;
}

static void sleeper_told(int signal) { (void)signal; }

/*
 * sleeper: sleeps inside the kernel's pause(2) until SIGUSR1 tells it to leave; says so and ends. Its process
 * is called "sleeper".
 */
static int sleeper(void) {
  const struct sigaction action = {.sa_handler = sleeper_told};
  sigaction(SIGUSR1, &action, NULL);
  pause();
  puts("left");
  return 0;
}

/* kexec KERNEL INITRAMFS: starts a kernel out of this one, with the same command line. */
static int kexec(int argc, char **argv) {
  char arguments[TEXT_BYTES];
  const int file = open("/proc/cmdline", O_RDONLY);
  const ssize_t got = read(file, arguments, sizeof arguments);
  if (argc != 3 || got <= 0) return 2;
  arguments[got - 1] = '\0';
  const int kernel = open(argv[1], O_RDONLY), initramfs = open(argv[2], O_RDONLY);
  if (syscall(SYS_kexec_file_load, kernel, initramfs, (unsigned long)got, arguments, 0ul) == 0)
    reboot(LINUX_REBOOT_CMD_KEXEC);
  perror("kexec");
  return 1;
}

/* diskwriter: the verified records of the lab's guest `disk` on /dev/vda. */
static int diskwriter(void) {
  pthread_t thread;
  struct work_page *work = work_open();
  if (pthread_create(&thread, NULL, (void *(*)(void *))disk_run, NULL) != 0) return 1;
  for (uint64_t verified = 0, errors = 0, written = 0;; usleep(10000)) {
    const uint64_t now[3] = {atomic_load(&work_done.verified), atomic_load(&work_done.errors),
                             atomic_load(&work_done.written)};
    atomic_fetch_add(&work->verified, now[0] - verified);
    atomic_fetch_add(&work->errors, now[1] - errors);
    atomic_fetch_add(&work->written, now[2] - written);
    verified = now[0], errors = now[1], written = now[2];
  }
}

/* insert FILE: finit_module(2), for a module without modprobe's looking around. Prints the error's number. */
static int insert(int argc, char **argv) {
  const int fd = open(argc > 1 ? argv[1] : "", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && syscall(SYS_finit_module, fd, argc > 2 ? argv[2] : "", 0) == 0) return 0;
  perror(argc > 1 ? argv[1] : "insert");
  return 1;
}

#endif
