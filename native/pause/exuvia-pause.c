/*
 * exuvia-pause PLAN [--hold STEP]...
 *
 * Everything that happens between the first VM's stop and the jump into the new kernel. The agent starts it
 * while the VMs run, waits for `ready`, writes `go`, and reads along:
 *
 *   agent                                  exuvia-pause                         QEMUs
 *     |                                      | connect, set cpr-reboot ----------> |
 *     | <------------------------- ready     |                                     |
 *     | go --------------------------------> |                                     |
 *     |                                      | suspend-vms: stop ----------------> |  all at once
 *     | <------- begin STEP, done STEP       | save-vms: migrate file: ----------> |  all at once
 *     |                                      | seal-state: fsync, checksums        |
 *     |                                      | sync-file-systems                   |
 *     |                                      | commit: append the journal's record |
 *     |                                      | jump: reboot(KEXEC)                 X
 *
 * With `--hold STEP` it stops after that step, says `held STEP` and waits for `continue STEP`. `abort`, the
 * end of its input (the agent died) and any failure, a refused jump included, make it undo everything: the
 * QEMUs live until the jump, so undoing is `cont`. It then says `undone` (or `stuck VM` for each one that did
 * not resume) and exits: 3 aborted, 1 failed, 4 a VM is stuck, 2 usage.
 *
 * If the machine dies before the jump, the VMs' memory dies with it, as in any power failure; the journal then
 * tells from the missing or present commit record whether the new side had to be expected.
 *
 * The plan, a directive a line:
 *   exuvia-pause 1                     the format's version
 *   vm NAME QMP-SOCKET STATE-FILE
 *   manifest FILE                      written: `state NAME BYTES CRC32` for every VM
 *   stamps FILE                        written: `stamp NAME VM|- TSC`; in the store, so that it outlives the kernel
 *   sync MOUNT-POINT                   file systems to sync, in this order
 *   journal FILE                       the commit record's place
 *   commit JSON                        the commit record itself
 *   timeout-ms N                       for each step
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/reboot.h>

#include "clock.h"
#include "crc32.h"
#include "qmp.h"
#include "text.h"

#define MAX_VMS 256
#define MAX_SYNCS 16
#define STAMPS_BYTES 65536

enum migration { MIGRATION_NONE, MIGRATION_ACTIVE, MIGRATION_COMPLETED, MIGRATION_FAILED };

struct vm {
  const char *name, *socket, *state;
  struct qmp qmp;
  unsigned awaiting; /* id of the command that is under way; 0: none */
  bool refused;      /* its reply was an error */
  bool stopped, resumed, closed;
  enum migration migration;
  char why[256];
};

static struct vm vms[MAX_VMS];
static size_t vm_count;
static const char *syncs[MAX_SYNCS], *manifest, *stamps_file, *journal, *commit_record, *holds[16];
static size_t sync_count, hold_count;
static unsigned timeout_ms = 30000, next_id = 1;
static bool abort_asked, suspending;
static char stamps[STAMPS_BYTES], failure[512];
static size_t stamps_used;
static int stamps_fd = -1;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  if (n < 0) return;
  if ((size_t)n > sizeof line - 2) n = (int)sizeof line - 2;
  line[n] = '\n';
  (void)!write(STDOUT_FILENO, line, (size_t)n + 1); /* a dead agent must not stop us */
}

static bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(failure, sizeof failure, format, args);
  va_end(args);
  return false;
}

static void stamp(const char *name, const char *vm) {
  int n = snprintf(stamps + stamps_used, sizeof stamps - stamps_used, "stamp %s %s %llu\n", name, vm,
                   (unsigned long long)tsc_now());
  if (n > 0 && stamps_used + (size_t)n < sizeof stamps) stamps_used += (size_t)n;
}

static void stamp_clock(void) {
  uint64_t tsc = tsc_now(), ns = clock_ns(CLOCK_MONOTONIC_RAW);
  int n = snprintf(stamps + stamps_used, sizeof stamps - stamps_used, "clock %llu %llu\n",
                   (unsigned long long)tsc, (unsigned long long)ns);
  if (n > 0 && stamps_used + (size_t)n < sizeof stamps) stamps_used += (size_t)n;
}

/* ---- the plan ---- */

static bool read_plan(const char *path) {
  char *text = read_whole(path, 1 << 20), *line;
  if (!text) return fail("%s cannot be read: %s", path, strerror(errno));
  line = next_line(&text);
  if (!line || strcmp(line, "exuvia-pause 1") != 0) return fail("%s is no pause plan of version 1", path);
  while ((line = next_line(&text))) {
    char *rest = line, *word = next_word(&rest);
    if (!word || !rest) {
      if (!word) continue;
      return fail("%s: '%s' lacks its value", path, word);
    }
    if (strcmp(word, "vm") == 0) {
      if (vm_count == MAX_VMS) return fail("%s: more than %d VMs", path, MAX_VMS);
      struct vm *vm = &vms[vm_count++];
      vm->name = next_word(&rest);
      vm->socket = next_word(&rest);
      vm->state = next_word(&rest);
      if (!vm->state) return fail("%s: a vm line lacks its socket or state file", path);
    } else if (strcmp(word, "sync") == 0) {
      if (sync_count == MAX_SYNCS) return fail("%s: more than %d file systems", path, MAX_SYNCS);
      syncs[sync_count++] = rest;
    } else if (strcmp(word, "manifest") == 0) {
      manifest = rest;
    } else if (strcmp(word, "stamps") == 0) {
      stamps_file = rest;
    } else if (strcmp(word, "journal") == 0) {
      journal = rest;
    } else if (strcmp(word, "commit") == 0) {
      commit_record = rest;
    } else if (strcmp(word, "timeout-ms") == 0) {
      timeout_ms = (unsigned)strtoul(rest, NULL, 10);
    } else {
      return fail("%s: '%s' is no directive", path, word);
    }
  }
  if (!manifest || !stamps_file || !journal || !commit_record || timeout_ms == 0)
    return fail("%s: manifest, stamps, journal, commit and a timeout must be given", path);
  return true;
}

/* ---- talking to all QEMUs at once ---- */

static void migration_ended(struct vm *vm, enum migration end) {
  if (vm->migration != MIGRATION_ACTIVE) return;
  vm->migration = end;
  if (end == MIGRATION_COMPLETED) stamp("vm-saved", vm->name);
}

static void take_line(struct vm *vm) {
  const char *line = vm->qmp.line;
  if (qmp_member(line, "event")) {
    if (qmp_member_is(line, "event", "STOP")) {
      vm->stopped = true;
      stamp("vm-stop-event", vm->name);
    } else if (qmp_member_is(line, "event", "RESUME")) {
      vm->stopped = false;
      stamp("vm-resume-event", vm->name);
    } else if (qmp_member_is(line, "event", "MIGRATION")) {
      if (qmp_member_is(line, "status", "completed")) migration_ended(vm, MIGRATION_COMPLETED);
      if (qmp_member_is(line, "status", "failed") || qmp_member_is(line, "status", "cancelled"))
        migration_ended(vm, MIGRATION_FAILED);
    }
    return;
  }
  char id[16];
  qmp_member_copy(line, "id", id, sizeof id);
  bool error = qmp_member(line, "error") != NULL;
  if (!(vm->awaiting && strtoul(id, NULL, 10) == vm->awaiting) && !(error && !id[0])) return;
  vm->awaiting = 0;
  vm->refused = error;
  if (error) qmp_member_copy(line, "desc", vm->why, sizeof vm->why);
  else if (qmp_member_is(line, "status", "completed"))
    migration_ended(vm, MIGRATION_COMPLETED);
  else if (vm->migration == MIGRATION_ACTIVE && qmp_member_is(line, "status", "failed")) {
    migration_ended(vm, MIGRATION_FAILED);
    qmp_member_copy(line, "error-desc", vm->why, sizeof vm->why);
  }
}

static void lose(struct vm *vm) {
  vm->closed = true;
  close(vm->qmp.fd);
  snprintf(vm->why, sizeof vm->why, "its QEMU went away");
}

static void send_command(struct vm *vm, const char *command, const char *arguments) {
  char json[2048];
  vm->awaiting = next_id++;
  vm->refused = false;
  snprintf(json, sizeof json, "{\"execute\":\"%s\",\"arguments\":%s,\"id\":\"%u\"}", command, arguments,
           vm->awaiting);
  if (qmp_send(&vm->qmp, json) < 0) lose(vm);
}

/* Receives from every QEMU until `done` holds for all; false when the time is over. A closed one is passed over. */
static bool pump(bool (*done)(const struct vm *), uint64_t deadline) {
  for (;;) {
    struct pollfd fds[MAX_VMS];
    struct vm *who[MAX_VMS];
    nfds_t n = 0;
    bool pending = false;
    for (size_t i = 0; i < vm_count; i++) {
      struct vm *vm = &vms[i];
      while (!vm->closed && qmp_take_line(&vm->qmp)) take_line(vm);
      if (vm->closed) continue;
      if (!done(vm)) pending = true;
      fds[n] = (struct pollfd){.fd = vm->qmp.fd, .events = POLLIN};
      who[n++] = vm;
    }
    if (!pending) return true;
    uint64_t now = monotonic_ms();
    if (now >= deadline) return false;
    int ready = poll(fds, n, (int)(deadline - now));
    if (ready < 0 && errno != EINTR) return false;
    for (nfds_t i = 0; ready > 0 && i < n; i++)
      if (fds[i].revents && qmp_receive(&who[i]->qmp) <= 0) lose(who[i]);
  }
}

static bool replied(const struct vm *vm) { return vm->awaiting == 0; }
static bool migrated(const struct vm *vm) { return vm->migration != MIGRATION_ACTIVE; }

/* Sends a command to every VM and waits for every reply; the first refusal is the failure. */
static bool command_all(const char *command, const char *arguments) {
  for (size_t i = 0; i < vm_count; i++)
    if (!vms[i].closed) send_command(&vms[i], command, arguments);
  bool in_time = pump(replied, monotonic_ms() + timeout_ms);
  for (size_t i = 0; i < vm_count; i++) {
    if (vms[i].closed) return fail("VM %s: %s", vms[i].name, vms[i].why);
    if (vms[i].awaiting) return fail("VM %s: no answer to %s within %u ms", vms[i].name, command, timeout_ms);
    if (vms[i].refused) return fail("VM %s: %s: %s", vms[i].name, command, vms[i].why);
  }
  return in_time;
}

static bool connect_all(void) {
  for (size_t i = 0; i < vm_count; i++) {
    vms[i].closed = qmp_connect(&vms[i].qmp, vms[i].socket) < 0;
    if (vms[i].closed) return fail("VM %s: %s: %s", vms[i].name, vms[i].socket, strerror(errno));
  }
  return command_all("qmp_capabilities", "{}");
}

#define CAPABILITIES(state)                                             \
  "{\"capabilities\":[{\"capability\":\"x-ignore-shared\",\"state\":" state \
  "},{\"capability\":\"events\",\"state\":" state "}]}"

static bool prepare(void) {
  if (!connect_all() || !command_all("migrate-set-capabilities", CAPABILITIES("true")) ||
      !command_all("migrate-set-parameters", "{\"mode\":\"cpr-reboot\",\"max-bandwidth\":0}"))
    return false;
  stamps_fd = open(stamps_file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (stamps_fd < 0) return fail("%s: %s", stamps_file, strerror(errno));
  /* Every block in place now: the last stamp is written when nothing may be allocated any more. */
  memset(stamps, '\n', sizeof stamps);
  if (write_fully(stamps_fd, stamps, sizeof stamps) < 0 || fsync(stamps_fd) < 0)
    return fail("%s: %s", stamps_file, strerror(errno));
  stamp_clock();
  return true;
}

/* ---- the steps ---- */

static bool suspend_vms(void) {
  suspending = true;
  for (size_t i = 0; i < vm_count; i++) send_command(&vms[i], "stop", "{}");
  bool in_time = pump(replied, monotonic_ms() + timeout_ms);
  for (size_t i = 0; i < vm_count; i++) {
    if (vms[i].closed) return fail("VM %s: %s", vms[i].name, vms[i].why);
    if (vms[i].refused) return fail("VM %s: stop: %s", vms[i].name, vms[i].why);
  }
  return in_time || fail("a VM did not stop within %u ms", timeout_ms);
}

static bool save_vms(void) {
  for (size_t i = 0; i < vm_count; i++) {
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "{\"uri\":\"file:%s\"}", vms[i].state);
    vms[i].migration = MIGRATION_ACTIVE;
    send_command(&vms[i], "migrate", arguments);
  }
  uint64_t deadline = monotonic_ms() + timeout_ms;
  pump(replied, deadline);
  for (size_t i = 0; i < vm_count; i++)
    if (vms[i].refused) vms[i].migration = MIGRATION_FAILED;
  /* Events tell; asking as well guards against a lost one (QEMU limits the rate of some). */
  while (!pump(migrated, monotonic_ms() + 50) && monotonic_ms() < deadline)
    for (size_t i = 0; i < vm_count; i++)
      if (!vms[i].closed && !vms[i].awaiting && !migrated(&vms[i])) send_command(&vms[i], "query-migrate", "{}");
  for (size_t i = 0; i < vm_count; i++) {
    if (vms[i].closed) return fail("VM %s: %s", vms[i].name, vms[i].why);
    if (vms[i].migration == MIGRATION_FAILED)
      return fail("VM %s: its state could not be saved: %s", vms[i].name, vms[i].why[0] ? vms[i].why : "no reason given");
    if (vms[i].migration != MIGRATION_COMPLETED)
      return fail("VM %s: its state was not saved within %u ms", vms[i].name, timeout_ms);
  }
  return true;
}

static bool seal_one(const struct vm *vm, char *line, size_t size) {
  static unsigned char block[65536];
  int fd = open(vm->state, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail("VM %s: %s: %s", vm->name, vm->state, strerror(errno));
  uint32_t crc = 0;
  unsigned long long bytes = 0;
  ssize_t n;
  while ((n = read(fd, block, sizeof block)) > 0) {
    crc = crc32_update(crc, block, (size_t)n);
    bytes += (unsigned long long)n;
  }
  bool good = n == 0 && bytes > 0 && fsync(fd) == 0;
  int saved = errno;
  close(fd);
  if (!good) return fail("VM %s: %s: %s", vm->name, vm->state, bytes ? strerror(saved) : "empty");
  snprintf(line, size, "state %s %llu %08x\n", vm->name, bytes, crc);
  return true;
}

/* Writes what every state file must look like after the jump: a damaged one is never loaded. */
static bool seal_state(void) {
  int fd = open(manifest, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail("%s: %s", manifest, strerror(errno));
  bool good = true;
  for (size_t i = 0; good && i < vm_count; i++) {
    char line[512];
    good = seal_one(&vms[i], line, sizeof line) && write_fully(fd, line, strlen(line)) == 0;
  }
  if (good && fsync(fd) < 0) good = fail("%s: %s", manifest, strerror(errno));
  close(fd);
  return good || (failure[0] ? false : fail("%s: %s", manifest, strerror(errno)));
}

static bool sync_file_systems(void) {
  for (size_t i = 0; i < sync_count; i++) {
    int fd = open(syncs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail("%s: %s", syncs[i], strerror(errno));
    int result = syncfs(fd), saved = errno;
    close(fd);
    if (result < 0) return fail("%s could not be synced: %s", syncs[i], strerror(saved));
  }
  return true;
}

static bool commit(void) {
  int fd = open(journal, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return fail("%s: %s", journal, strerror(errno));
  char line[4096];
  int n = snprintf(line, sizeof line, "%s\n", commit_record);
  bool good = n > 0 && (size_t)n < sizeof line && write_fully(fd, line, (size_t)n) == 0 && fdatasync(fd) == 0;
  int saved = errno;
  close(fd);
  return good || fail("%s: %s", journal, strerror(saved));
}

static bool jump(void) {
  stamp_clock();
  stamp("jump", "-");
  if (pwrite(stamps_fd, stamps, stamps_used, 0) != (ssize_t)stamps_used)
    return fail("%s: %s", stamps_file, strerror(errno));
  syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
  return fail("the kernel refused the jump: %s", strerror(errno));
}

/* ---- undoing ---- */

/* Continues every VM that does not run yet; true when one refused. */
static bool resume_all(uint64_t deadline) {
  bool refused = false;
  for (size_t i = 0; i < vm_count; i++)
    if (!vms[i].closed && !vms[i].resumed) send_command(&vms[i], "cont", "{}");
  pump(replied, deadline);
  for (size_t i = 0; i < vm_count; i++) {
    vms[i].resumed = !vms[i].awaiting && !vms[i].refused;
    /* QEMU 11.1 refuses for a moment after a save that it calls completed. */
    if (!vms[i].closed && !vms[i].resumed) refused = true;
  }
  return refused;
}

static bool undo(void) {
  uint64_t deadline = monotonic_ms() + timeout_ms;
  bool all = true;
  for (size_t i = 0; i < vm_count; i++)
    if (!vms[i].closed && vms[i].migration == MIGRATION_ACTIVE) send_command(&vms[i], "migrate_cancel", "{}");
  pump(migrated, monotonic_ms() + 1000);
  while (suspending && resume_all(deadline) && monotonic_ms() < deadline) usleep(2000);
  for (size_t i = 0; i < vm_count; i++)
    if (suspending && (vms[i].closed || !vms[i].resumed)) {
      say("stuck %s %s", vms[i].name, vms[i].why);
      all = false;
    }
  for (size_t i = 0; i < vm_count; i++)
    if (!vms[i].closed) send_command(&vms[i], "migrate-set-parameters", "{\"mode\":\"normal\"}");
  pump(replied, deadline);
  for (size_t i = 0; i < vm_count; i++)
    if (!vms[i].closed) send_command(&vms[i], "migrate-set-capabilities", CAPABILITIES("false"));
  pump(replied, deadline);
  for (size_t i = 0; i < vm_count; i++) unlink(vms[i].state);
  unlink(manifest);
  unlink(stamps_file);
  if (all) say("undone");
  return all;
}

/* ---- the agent's side of the pipe ---- */

/* Reads what the agent wrote; `continue_for`: wait until told to go on past that step (or `go` for "go"). */
static void listen_to_agent(const char *continue_for) {
  static char buffer[256];
  static size_t used;
  static bool ended;
  while (!ended) {
    char *end;
    while ((end = memchr(buffer, '\n', used))) {
      *end = 0;
      bool released = continue_for && (strcmp(buffer, continue_for) == 0);
      if (strcmp(buffer, "abort") == 0) abort_asked = true;
      size_t length = (size_t)(end + 1 - buffer);
      memmove(buffer, end + 1, used - length);
      used -= length;
      if (released) return;
      if (abort_asked) return;
    }
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&fd, 1, continue_for ? -1 : 0) <= 0) return;
    ssize_t n = used < sizeof buffer ? read(STDIN_FILENO, buffer + used, sizeof buffer - used) : -1;
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) ended = true;
    else used += (size_t)n;
  }
  abort_asked = true; /* the agent is gone */
}

static void hold_if_asked(const char *step) {
  for (size_t i = 0; i < hold_count; i++)
    if (strcmp(holds[i], step) == 0) {
      char release[128];
      snprintf(release, sizeof release, "continue %s", step);
      say("held %s", step);
      listen_to_agent(release);
    }
}

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
    if (!steps[i].run()) {
      say("failed %s %s", steps[i].name, failure);
      return undo() ? 1 : 4;
    }
    stamp(steps[i].name, "-");
    say("done %s", steps[i].name);
    hold_if_asked(steps[i].name);
    listen_to_agent(NULL);
    if (abort_asked) {
      say("aborting %s", steps[i].name);
      return undo() ? 3 : 4;
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
  if (!read_plan(argv[1])) {
    say("failed prepare %s", failure);
    return 2;
  }
  crc32_prepare();
  mlockall(MCL_CURRENT | MCL_FUTURE);
  setpriority(PRIO_PROCESS, 0, -20);
  if (!prepare()) {
    say("failed prepare %s", failure);
    return undo() ? 1 : 4;
  }
  say("ready");
  listen_to_agent("go");
  if (abort_asked) return undo() ? 3 : 4;
  return run_steps();
}
