/* Work for a third of the time. */
#ifndef EXUVIA_REST_H
#define EXUVIA_REST_H

#include <unistd.h>

#include "clock.h"

/*
 * Rests twice as long as what began at `began_ns` (CLOCK_MONOTONIC) has taken: a guest with one processor leaves some of it
 * to its own kernel, and a lab host that is emulated on two processors some of them to its other guests, however slow.
 */
static void rest_after(uint64_t began_ns) {
  usleep((useconds_t)(2 * (clock_ns(CLOCK_MONOTONIC) - began_ns) / 1000));
}

#endif
