/*
 * The heartbeat page (packages/contract/src/heartbeat.ts has the layout): written by a thread of its own
 * at 1 kHz, or as fast as the machine allows, read by whoever can read the guest's memory from outside.
 */
#ifndef EXUVIA_HEARTBEAT_H
#define EXUVIA_HEARTBEAT_H

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"

#define HEARTBEAT_PERIOD_NS 1000000u
#define HEARTBEAT_LONGEST_NS 32000000u
#define PAGE_BYTES 4096

struct heartbeat_page {
  char magic[16];
  uint32_t version, pid;
  volatile uint64_t sequence;
  volatile uint64_t monotonic_ns, realtime_ns;
  char boot_id[40];
  char name[32];
  volatile uint64_t verified, errors, written, clock_backwards;
  volatile uint64_t sequence_again;
};
_Static_assert(sizeof(struct heartbeat_page) == 160, "the layout is a contract");

/* What the workers count; the heartbeat thread copies it into the page. */
static struct {
  _Atomic uint64_t verified, errors, written;
} work_done;

static struct heartbeat_page *heartbeat_page;
static bool heartbeat_steady;

static void heartbeat_write(struct heartbeat_page *page, uint64_t sequence) {
  const uint64_t now = clock_ns(CLOCK_MONOTONIC);
  page->sequence = sequence;
  atomic_thread_fence(memory_order_seq_cst);
  if (now < page->monotonic_ns) page->clock_backwards++;
  page->monotonic_ns = now;
  page->realtime_ns = clock_ns(CLOCK_REALTIME);
  page->verified = atomic_load(&work_done.verified);
  page->errors = atomic_load(&work_done.errors);
  page->written = atomic_load(&work_done.written);
  atomic_thread_fence(memory_order_seq_cst);
  page->sequence_again = sequence;
}

/*
 * Where waking up takes long (an emulated processor under KVM: a millisecond for each exit), 1 kHz would leave the guest
 * and its host nothing but heartbeats. Beats that are late by more than a quarter of the period, on average, come half
 * as often; those that are hardly late, twice.
 */
static uint64_t heartbeat_period(uint64_t period_ns, uint64_t late_ns) {
  static uint64_t average_ns;
  if (heartbeat_steady) return period_ns;
  average_ns = (15 * average_ns + (late_ns < period_ns ? late_ns : period_ns)) / 16;
  if (average_ns > period_ns / 4 && period_ns < HEARTBEAT_LONGEST_NS) return 2 * period_ns;
  if (average_ns < period_ns / 16 && period_ns > HEARTBEAT_PERIOD_NS) return period_ns / 2;
  return period_ns;
}

static void *heartbeat_thread(void *unused) {
  (void)unused;
  const struct sched_param priority = {.sched_priority = 50};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
  uint64_t period = HEARTBEAT_PERIOD_NS, next = clock_ns(CLOCK_MONOTONIC);
  for (uint64_t sequence = 1;; sequence++) {
    period = heartbeat_period(period, clock_ns(CLOCK_MONOTONIC) - next);
    heartbeat_write(heartbeat_page, sequence);
    next += period;
    const uint64_t now = clock_ns(CLOCK_MONOTONIC);
    /*
     * Late beats are not made up for: a burst would hide how long the guest stood still. And a real-time thread that
     * never sleeps leaves nothing to the guest's work.
     */
    if (next < now + period / 4) next = now + period / 4;
    const struct timespec until = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
  }
  return NULL;
}

/* Fills in what never changes; the magic comes last, so that a page is never found half filled in. */
static void heartbeat_describe(struct heartbeat_page *page, const char *name, const char *boot_id) {
  page->version = 1;
  page->pid = (uint32_t)getpid();
  memcpy(page->boot_id, boot_id, strnlen(boot_id, 36));
  memcpy(page->name, name, strnlen(name, sizeof page->name - 1));
  /* Put together here, so that no copy of this program's text looks like a page. */
  memcpy(page->magic, "EXUVIA-", 7);
  memcpy(page->magic + 7, "HEARTBEAT", 9);
}

/* Starts the heartbeat; `steady`: at 1 kHz whatever that costs. Returns -1 when the page cannot be had or pinned. */
static inline int heartbeat_start(const char *name, const char *boot_id, bool steady) {
  struct heartbeat_page *page =
      mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (page == MAP_FAILED || mlock(page, PAGE_BYTES) != 0) return -1;
  heartbeat_describe(page, name, boot_id);
  heartbeat_page = page;
  heartbeat_steady = steady;
  pthread_t thread;
  return pthread_create(&thread, NULL, heartbeat_thread, NULL) == 0 ? 0 : -1;
}

#endif
