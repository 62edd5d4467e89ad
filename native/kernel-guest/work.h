/* What the load programs count, in a page that all of them share with process 1 and its heartbeat. */
#ifndef EXUVIA_WORK_H
#define EXUVIA_WORK_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORK_FILE "/run/work"
#define WORK_BYTES 4096

struct work_page {
  _Atomic uint64_t verified, errors, written;
};

static inline struct work_page *work_open(void) {
  const int fd = open(WORK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  struct work_page *page = MAP_FAILED;
  if (fd >= 0 && ftruncate(fd, WORK_BYTES) == 0)
    page = mmap(NULL, WORK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) {
    perror(WORK_FILE);
    exit(1);
  }
  close(fd);
  return page;
}

#endif
