/*
 * Writes a heartbeat page into a file at an offset, with the guests' own code: heartbeat-writer FILE OFFSET
 * NAME BOOT-ID FIRST-SEQUENCE. Beats until it is killed.
 */
#include <stdlib.h>

#include "heartbeat.h"

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  const int fd = open(argv[1], O_RDWR);
  struct heartbeat_page *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, atol(argv[2]));
  if (fd < 0 || page == MAP_FAILED) return 1;
  heartbeat_describe(page, argv[3], argv[4]);
  for (uint64_t sequence = strtoull(argv[5], NULL, 10);; sequence++) {
    atomic_fetch_add(&work_done.verified, 1);
    heartbeat_write(page, sequence);
    usleep(1000);
  }
}
