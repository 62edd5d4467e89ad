/* Faults that tests of Exuvia inject into the new kernel, for real; the agent refuses them on an ordinary host. */
#ifndef EXUVIA_FAULT_H
#define EXUVIA_FAULT_H

#include "devices.h"
#include "fallback.h"

/* Called at each of: start, devices, restore, resumed. */
static void fault_at(const char *moment) {
  if (!fault || !fault_moment || strcmp(moment, fault_moment) != 0) return;
  logf_kernel("fault %s at %s", fault, moment);
  if (strcmp(fault, "panic") == 0) {
    sync();
    press_sysrq('c');
  } else if (strcmp(fault, "hang") == 0) {
    stop_guardian(guardian);
    for (;;) pause();
  } else if (strcmp(fault, "stall") == 0) {
    for (;;) pause();
  } else if (strcmp(fault, "fail") == 0 && record->resumed == 0) {
    fall_back("a fault was injected");
  }
}

#endif
