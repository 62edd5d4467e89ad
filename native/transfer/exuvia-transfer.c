/*
 * exuvia-transfer VM OLD-MONITOR NEW-MONITOR CPR-SOCKET STATE-SOCKET NEW-PID RECORD TIMEOUT-MS [--hold STEP]...
 *
 * Moves one running VM from its QEMU into another one that waits for it (QEMU's migration mode cpr-transfer,
 * docs/devel/migration/CPR.rst of QEMU 10.0). The agent starts the new QEMU, then this program, and reads along:
 *
 *   agent                    exuvia-transfer              old QEMU             new QEMU
 *     |                        | migrate (both sockets) --> | descriptors -------> |  builds its machine
 *     | <------------- ready   | capabilities ------------------------------------> |  the guest runs on
 *     | go ------------------> |                            |                      |
 *     | <-- begin/done switch  | migrate-incoming --------------------------------> |
 *     |                        | <------------ event STOP   | device state ------> |
 *     |                        | <------- event completed   |                      |
 *     | <-- begin/done resume  | cont ---------------------------------------------> |  the guest runs on
 *     |                        | kill --------------------> X
 *
 * The new QEMU is started with -S: it executes nothing before `cont`, and gets `cont` only after the old one
 * has said `completed`, from when on the old one does not continue by itself. So there is no moment in which both
 * could run, and none in which a failure would leave the guest nowhere. Until `cont` is accepted everything can be
 * undone: `abort`, the end of the input (the agent died) and any failure (a disk that the new QEMU does not get) make
 * this program kill the new QEMU, wait until it is dead, and only then see to it that the old one runs. From then on the
 * old one must never run again, since the memory has moved on: it is ended at once, and whatever comes, this program
 * goes on without the agent.
 *
 * With `--hold STEP` (prepare, switch) it stops after that step, says `held STEP` and waits for `continue STEP`.
 * Exit codes: 0 moved, 1 failed and undone, 2 usage, 3 aborted and undone, 4 the old QEMU does not continue,
 * 5 the old QEMU has died and the new one cannot go on in its place.
 *
 * RECORD gets the stamps (`stamp NAME VM TSC`, `clock TSC NS`) once the guest runs.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "monitors.h"
#include "steps.h"

/* Two readings of the clock that are nearer than 50 ms do not tell the TSC's frequency (shared/stamp-lines.ts). */
#define CLOCKS_APART_NS 60000000ull

/* The guest runs meanwhile. */
static void stamp_clock_again(uint64_t since_ns) {
  while (clock_ns(CLOCK_MONOTONIC_RAW) - since_ns < CLOCKS_APART_NS) usleep(1000);
  stamp_clock();
}

int main(int argc, char **argv) {
  if (argc < 9) {
    fprintf(stderr, "usage: exuvia-transfer VM OLD-MONITOR NEW-MONITOR CPR-SOCKET STATE-SOCKET NEW-PID RECORD "
                    "TIMEOUT-MS [--hold STEP]...\nStarted by the Exuvia agent; see exuvia-agent(8).\n");
    return 2;
  }
  struct transfer t = {.vm = argv[1], .old = {.path = argv[2]}, .new = {.path = argv[3]}, .cpr = argv[4],
                       .state = argv[5], .new_pid = atoi(argv[6]), .old_pidfd = -1, .record = argv[7]};
  timeout_ms = (unsigned)strtoul(argv[8], NULL, 10);
  for (int i = 9; i + 1 < argc && hold_count < sizeof holds / sizeof holds[0]; i += 2)
    if (strcmp(argv[i], "--hold") == 0) holds[hold_count++] = argv[i + 1];
  signal(SIGPIPE, SIG_IGN);
  t.new_pidfd = (int)syscall(SYS_pidfd_open, t.new_pid, 0);
  if (t.new_pidfd < 0) {
    say("failed prepare the new QEMU does not run: %s", strerror(errno));
    return 1;
  }
  mlockall(MCL_CURRENT | MCL_FUTURE);
  setpriority(PRIO_PROCESS, 0, -20);
  uint64_t started_ns = clock_ns(CLOCK_MONOTONIC_RAW);
  stamp_clock();
  if (!prepare(&t)) return undo(&t, "prepare", 1);
  say("ready");
  listen_to_agent("go");
  if (abort_asked) return undo(&t, "prepare", 3);
  say("begin switch");
  if (!switch_over(&t)) return undo(&t, "switch", 1);
  say("done switch");
  hold_if_asked("switch");
  listen_to_agent(NULL);
  if (abort_asked) return undo(&t, "switch", 3);
  if (has_died(&t)) {
    fail("the new QEMU has died before the guest ran in it");
    return undo(&t, "switch", 1);
  }
  say("begin resume");
  enum resumption resumed = resume(&t);
  if (resumed == REFUSED) return undo(&t, "resume", 1);
  stamp_clock_again(started_ns);
  write_record(&t);
  if (resumed == DIED) {
    say("failed resume %s", failure);
    say("lost %s its new QEMU has died when the guest had just begun to run in it", t.vm);
    return 5;
  }
  say("done resume");
  return 0;
}
