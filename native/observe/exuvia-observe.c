/*
 * Watches a counter in a VM's RAM file that the guest increments without rest, from outside of the VM:
 *
 *     exuvia-observe FILE OFFSET THRESHOLD_US
 *
 * Prints a line for every time that the counter stood for longer than the threshold: from when to when, in
 * nanoseconds of CLOCK_MONOTONIC. "From" is when it was last seen to have moved, "to" when it was next seen to
 * move: a gap is too long by one look at most. Ends with its standard input.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ull
/* Ten times as often would take a whole processor away from the VM that is watched. */
#define BETWEEN_LOOKS_NS 50000
#define LOOKS_BETWEEN_POLLS 512

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: exuvia-observe FILE OFFSET THRESHOLD_US\n");
    return 2;
  }
  const int file = open(argv[1], O_RDONLY | O_CLOEXEC);
  const uint64_t offset = strtoull(argv[2], NULL, 0);
  const uint64_t threshold = strtoull(argv[3], NULL, 0) * 1000;
  const char *page = MAP_FAILED;
  if (file >= 0) page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, (off_t)(offset & ~(PAGE - 1)));
  if (page == MAP_FAILED) {
    perror(argv[1]);
    return 1;
  }
  const volatile uint64_t *beats = (const volatile uint64_t *)(page + (offset & (PAGE - 1)));
  prctl(PR_SET_TIMERSLACK, 1);
  setvbuf(stdout, NULL, _IOLBF, 0);
  const struct timespec pause = {.tv_nsec = BETWEEN_LOOKS_NS};
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  uint64_t last = *beats, moved = now_ns();
  for (unsigned look = 1; look % LOOKS_BETWEEN_POLLS != 0 || poll(&input, 1, 0) == 0; look++) {
    nanosleep(&pause, NULL);
    const uint64_t beat = *beats;
    if (beat == last) continue;
    const uint64_t now = now_ns();
    if (now - moved > threshold) printf("%llu %llu\n", (unsigned long long)moved, (unsigned long long)now);
    last = beat;
    moved = now;
  }
  return 0;
}
