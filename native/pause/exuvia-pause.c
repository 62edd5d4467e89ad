/*
 * exuvia-pause PLAN [--hold STEP]...
 *
 * Everything that happens between the first VM's stop and the jump into the new kernel. The agent starts it
 * while the VMs run, waits for `ready`, writes `go`, and reads along:
 *
 *   agent                                  exuvia-pause                         QEMUs
 *     |                                      | connect, set cpr-reboot ----------> |
 *     |                                      | empty the file systems' journals    |
 *     | <------------------------- ready     |                                     |
 *     | go --------------------------------> |                                     |
 *     |                                      | suspend-vms: stop ----------------> |  all at once
 *     | <------- begin STEP, done STEP       | save-vms: migrate file: ----------> |  all at once
 *     |                                      | seal-state: fsync, checksums        |
 *     |                                      | sync-file-systems                   |
 *     |                                      | commit: append the journal's record |
 *     |                                      | jump: watchdog, reboot(KEXEC)       X
 *
 * With `--hold STEP` it stops after that step, says `held STEP` and waits for `continue STEP`. `abort`, the
 * end of its input (the agent died) and any failure, a refused jump included, make it undo everything: the
 * QEMUs live until the jump, so undoing is `cont`. It then says `undone` (or `stuck VM` for each one that did
 * not resume) and exits: 3 aborted, 1 failed, 4 a VM is stuck, 2 usage.
 *
 * Journals, sync and commit are written by a process of its own (writer.h), for which nobody waits longer than a step may take.
 *
 * If the machine dies before the jump, the VMs' memory dies with it, as in any power failure; the journal then
 * tells from the missing or present commit record whether the new side had to be expected.
 *
 * The plan, a directive a line:
 *   exuvia-pause 2                     the format's version
 *   vm NAME QMP-SOCKET STATE-FILE RAM-FILE [leave]
 *                                      leave: when it cannot be saved, the others go on without it
 *   manifest FILE                      written: `exuvia-manifest 1`, then for every VM `state NAME BYTES CRC32` and
 *                                      `ram NAME BYTES STRIDE CRC32` (samples.h), or `left NAME`
 *   stamps FILE                        written: `stamp NAME VM|- TSC`; in the store, so that it outlives the kernel
 *   sync MOUNT-POINT                   file systems to sync, in this order
 *   journal FILE                       the commit record's place
 *   commit JSON                        the commit record itself
 *   watchdog DEVICE SECONDS            armed right before the jump
 *   timeout-ms N                       for each step
 *   checksum CRC32                     of everything before it
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "agent.h"
#include "plan.h"
#include "steps.h"
#include "undo.h"

static const struct {
  const char *name;
  bool (*run)(void);
} steps[] = {
    {"suspend-vms", suspend_vms}, {"save-vms", save_vms}, {"seal-state", seal_state},
    {"sync-file-systems", sync_file_systems}, {"commit", commit}, {"jump", jump},
};

static int run_steps(void) {
  stamp("begin", "-");
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    say("begin %s", steps[i].name);
    const bool done = steps[i].run();
    if (done) {
      stamp(steps[i].name, "-");
      say("done %s", steps[i].name);
      hold_if_asked(steps[i].name);
      listen_to_agent(NULL);
    }
    if (abort_asked) {
      say("aborting %s", steps[i].name);
      return undo() ? 3 : 4;
    }
    if (!done) {
      say("failed %s %s", steps[i].name, failure);
      return undo() ? 1 : 4;
    }
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 2 || argv[1][0] == '-') {
    fprintf(stderr, "usage: exuvia-pause PLAN [--hold STEP]...\nStarted by the Exuvia agent; see exuvia-agent(8).\n");
    return 2;
  }
  for (int i = 2; i + 1 < argc && hold_count < sizeof holds / sizeof holds[0]; i += 2)
    if (strcmp(argv[i], "--hold") == 0) holds[hold_count++] = argv[i + 1];
  signal(SIGPIPE, SIG_IGN);
  crc32_prepare();
  if (!read_plan(argv[1])) {
    say("failed prepare %s", failure);
    return 2;
  }
  setpriority(PRIO_PROCESS, 0, -20);
  if (!start_writer()) {
    say("failed prepare %s", failure);
    return 1;
  }
  mlockall(MCL_CURRENT | MCL_FUTURE);
  mlockall(MCL_FUTURE | MCL_ONFAULT); /* of the VMs' memory only what is looked at */
  if (!prepare()) {
    say("failed prepare %s", failure);
    return undo() ? 1 : 4;
  }
  say("ready");
  listen_to_agent("go");
  if (abort_asked) return undo() ? 3 : 4;
  return run_steps();
}
