/*
 * Questions that tests ask on a lab host:
 *
 *   exuvia-lab-probe vsock CID PORT     what the guest with that address says
 *   exuvia-lab-probe clock RAM-FILE     by how many microseconds a guest's wall clock is behind the host's (negative:
 *                                       ahead), from its heartbeat page; the least of what was seen in a second, since
 *                                       a page is older than the moment at which it is read
 */
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define PAGE 4096
/* native/guest/heartbeat.h */
#define REALTIME_AT 40

static int ask_vsock(unsigned cid, unsigned port) {
  const struct sockaddr_vm there = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char answer[256];
  if (fd < 0 || connect(fd, (const struct sockaddr *)&there, sizeof there) != 0) {
    perror("vsock");
    return 1;
  }
  for (ssize_t n; (n = read(fd, answer, sizeof answer)) > 0;)
    if (write(STDOUT_FILENO, answer, (size_t)n) != n) return 1;
  return 0;
}

#define MAX_PAGES 64
#define PATIENCE_S 60

/* The page that moves: a guest that was started again leaves an old one behind. One that gets no processor beats late. */
static const volatile uint64_t *live_page(const char *memory, size_t size) {
  const volatile uint64_t *pages[MAX_PAGES];
  uint64_t before[MAX_PAGES];
  size_t count = 0;
  for (size_t at = 0; at + PAGE <= size && count < MAX_PAGES; at += PAGE) {
    if (memcmp(memory + at, "EXUVIA-", 7) != 0 || memcmp(memory + at + 7, "HEARTBEAT", 9) != 0) continue;
    pages[count] = (const volatile uint64_t *)(const void *)(memory + at + REALTIME_AT);
    before[count] = *pages[count];
    count++;
  }
  for (int waited = 0; waited < PATIENCE_S * 100; waited++) {
    usleep(10000);
    for (size_t i = 0; i < count; i++)
      if (*pages[i] != before[i]) return pages[i];
  }
  return NULL;
}

static int ask_clock(const char *path) {
  struct stat file;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &file) != 0) {
    perror(path);
    return 1;
  }
  const char *memory = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_SHARED, fd, 0);
  const volatile uint64_t *realtime = memory == MAP_FAILED ? NULL : live_page(memory, (size_t)file.st_size);
  if (realtime == NULL) {
    fprintf(stderr, "%s holds no heartbeat page that moves\n", path);
    return 1;
  }
  int64_t least = INT64_MAX;
  for (int i = 0; i < 2000; i++) {
    const uint64_t theirs = *realtime;
    const int64_t behind = (int64_t)(clock_ns(CLOCK_REALTIME) - theirs);
    if (behind < least) least = behind;
    usleep(500);
  }
  printf("%lld\n", (long long)(least / 1000));
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "vsock") == 0)
    return ask_vsock((unsigned)strtoul(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10));
  if (argc == 3 && strcmp(argv[1], "clock") == 0) return ask_clock(argv[2]);
  fprintf(stderr, "usage: exuvia-lab-probe vsock CID PORT | clock RAM-FILE\n");
  return 2;
}
