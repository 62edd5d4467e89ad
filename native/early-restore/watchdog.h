/*
 * The machine's watchdog, which the old kernel has armed for the jump (native/pause/watchdog.h): a reset costs a guest that
 * runs here its memory. So it is stopped as soon as all that can run do, or one of them is slow, however long userland takes
 * to boot.
 */
#ifndef EXUVIA_EARLY_WATCHDOG_H
#define EXUVIA_EARLY_WATCHDOG_H

#include <fcntl.h>
#include <sys/wait.h>

#include "devices.h"
#include "log.h"
#include "plan.h"

#define WATCHDOG_TIMEOUT_MS 10000

/* Its driver is loaded only now: nothing waits for it. */
static void stop_armed_watchdog(void) {
  char path[256];
  int fd = -1;
  load_group(WATCHDOG_GROUP);
  snprintf(path, sizeof path, "%s%s", SYSROOT, watchdog);
  for (int tries = 0; tries < 10 && (fd = open(path, O_WRONLY | O_CLOEXEC)) < 0; tries++) usleep(10000);
  /* Linux Documentation/watchdog/watchdog-api.rst: "magic close" */
  if (fd < 0 || write(fd, "V", 1) != 1) logf_kernel("%s runs on: %s", watchdog, strerror(errno));
  if (fd >= 0) close(fd);
}

static pid_t stopping_watchdog = -1;

/* In a process of its own: a driver that does not come back must not keep the host from booting. */
static void start_stopping_watchdog(void) {
  if (!watchdog || stopping_watchdog > 0) return;
  stopping_watchdog = fork();
  if (stopping_watchdog != 0) return;
  stop_armed_watchdog();
  _exit(0);
}

static void stop_watchdog(void) {
  if (!watchdog || record->resumed == 0) return;
  start_stopping_watchdog();
  for (uint64_t until = monotonic_ms() + WATCHDOG_TIMEOUT_MS;
       stopping_watchdog > 0 && waitpid(stopping_watchdog, NULL, WNOHANG) == 0;) {
    if (monotonic_ms() > until) {
      logf_kernel("%s runs on: its driver does not come back", watchdog);
      return;
    }
    usleep(5000);
  }
}

#endif
