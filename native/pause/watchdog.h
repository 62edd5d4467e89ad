/*
 * The machine's watchdog, armed right before the jump: a new kernel that hangs is reset by it, and the boot
 * loader then starts the old kernel. It runs on through the jump where the module `watchdog` was loaded with
 * stop_on_reboot=0 (Linux 6.12 drivers/watchdog/watchdog_core.c); the new kernel's early restore stops it when the VMs run.
 */
#ifndef EXUVIA_PAUSE_WATCHDOG_H
#define EXUVIA_PAUSE_WATCHDOG_H

#include <fcntl.h>
#include <linux/watchdog.h>
#include <sys/ioctl.h>

#include "state.h"

static void disarm_watchdog(void) {
  if (watchdog_fd < 0) return;
  (void)!write(watchdog_fd, "V", 1); /* Linux Documentation/watchdog/watchdog-api.rst: "magic close" */
  close(watchdog_fd);
  watchdog_fd = -1;
}

/* Without a watchdog the update goes on: it only lacks one way back. */
static void arm_watchdog(void) {
  if (!watchdog) return;
  watchdog_fd = open(watchdog, O_WRONLY | O_CLOEXEC);
  int seconds = (int)watchdog_seconds;
  if (watchdog_fd >= 0 && ioctl(watchdog_fd, WDIOC_SETTIMEOUT, &seconds) == 0) return;
  say("watchdog %s: %s", watchdog, strerror(errno));
  disarm_watchdog(); /* with its own time, often 30 s, it would reset a kernel that is well */
}

#endif
