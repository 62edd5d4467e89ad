/* The role `busy`: most of the memory holds a pattern that is checked and rewritten all the time. */
#ifndef EXUVIA_BUSY_H
#define EXUVIA_BUSY_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "heartbeat.h"
#include "pattern.h"
#include "rest.h"

#define WORDS_A_PAGE (PAGE_BYTES / sizeof(uint64_t))
/* For the kernel and this program: below it the kernel would begin to reclaim. */
#define KEEP_FREE_KIB (40u * 1024)

static unsigned long memory_available_kib(void) {
  FILE *file = fopen("/proc/meminfo", "re");
  char line[128];
  unsigned long kib = 0;
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "MemAvailable: %lu kB", &kib) == 1) break;
  if (file != NULL) fclose(file);
  return kib;
}

/* Between two rests. */
#define BUSY_WORK_NS 10000000u

/* Checks and rewrites `pages` pages for ever, with a pause after each if `pause_us` is not 0. */
static void busy_rewrite(size_t pages, unsigned pause_us) {
  uint64_t *memory = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("busy: mmap");
    return;
  }
  /* Touched for the first time in huge pages: one page fault of two levels instead of 512. */
  madvise(memory, pages * PAGE_BYTES, MADV_HUGEPAGE);
  for (size_t page = 0; page < pages; page++) pattern_fill(memory + page * WORDS_A_PAGE, WORDS_A_PAGE, page, 0);
  printf("%zu KiB of memory hold the pattern\n", pages * (PAGE_BYTES / 1024));
  uint64_t rested = clock_ns(CLOCK_MONOTONIC);
  for (uint64_t generation = 0;; generation++) {
    for (size_t page = 0; page < pages; page++) {
      uint64_t *words = memory + page * WORDS_A_PAGE;
      if (pattern_holds(words, WORDS_A_PAGE, page, generation)) {
        atomic_fetch_add(&work_done.verified, 1);
      } else {
        atomic_fetch_add(&work_done.errors, 1);
        printf("page %zu does not hold generation %lu\n", page, generation);
      }
      pattern_fill(words, WORDS_A_PAGE, page, generation + 1);
      atomic_fetch_add(&work_done.written, 1);
      if (pause_us != 0) usleep(pause_us);
      if (page % 64 == 0 && clock_ns(CLOCK_MONOTONIC) - rested > BUSY_WORK_NS) {
        rest_after(rested);
        rested = clock_ns(CLOCK_MONOTONIC);
      }
    }
  }
}

static void busy_run(void) {
  const unsigned long available = memory_available_kib();
  if (available <= KEEP_FREE_KIB) {
    fprintf(stderr, "busy: only %lu KiB of memory are free\n", available);
    return;
  }
  busy_rewrite((size_t)(available - KEEP_FREE_KIB) / (PAGE_BYTES / 1024), 0);
}

#endif
