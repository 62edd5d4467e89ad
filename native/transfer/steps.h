/* What exuvia-transfer does, and how it undoes it. Each step says with fail() what went wrong. */
#ifndef EXUVIA_TRANSFER_STEPS_H
#define EXUVIA_TRANSFER_STEPS_H

#include "monitors.h"

/* `x-ignore-shared` is left on by a restore from a file; both sides must have it alike, and need it here neither. */
#define CAPABILITIES(state)                                             \
  "{\"capabilities\":[{\"capability\":\"return-path\",\"state\":" state \
  "},{\"capability\":\"events\",\"state\":" state                       \
  "},{\"capability\":\"x-ignore-shared\",\"state\":false}]}"
#define UNIX "\"addr\":{\"transport\":\"socket\",\"type\":\"unix\",\"path\":\"%s\"}"
#define POLL_MS 20

static bool watch_old(struct transfer *t) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(t->old.qmp.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
    t->old_pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
  return t->old_pidfd >= 0 || fail("the old QEMU: its process cannot be found: %s", strerror(errno));
}

/*
 * The old QEMU hands over its descriptors, and the new one builds its machine on them: its monitor appears only
 * then. `return-path`: without it a new QEMU that cannot load leaves the old one stopped (seen on 10.0 and 11.1).
 */
static bool prepare(struct transfer *t) {
  char arguments[1024];
  uint64_t deadline = monotonic_ms() + timeout_ms;
  if (!open_monitor(t, &t->old) || !watch_old(t) || !command(t, &t->old, "migrate-set-capabilities", CAPABILITIES("true")) ||
      !command(t, &t->old, "migrate-set-parameters", "{\"mode\":\"cpr-transfer\",\"max-bandwidth\":0}"))
    return false;
  snprintf(arguments, sizeof arguments,
           "{\"channels\":[{\"channel-type\":\"main\"," UNIX "},{\"channel-type\":\"cpr\"," UNIX "}]}", t->state, t->cpr);
  if (!command(t, &t->old, "migrate", arguments)) return false;
  while (access(t->new.path, F_OK) != 0 || !open_monitor(t, &t->new)) {
    if (has_died(t)) return fail("the new QEMU cannot take over: it has ended; its log says why");
    if (monotonic_ms() > deadline) return fail("the new QEMU did not answer within %u ms", timeout_ms);
    listen_to_qemus(t, POLL_MS);
    if (!t->old.open) return fail("the old QEMU: %s", t->old.why);
  }
  return command(t, &t->new, "migrate-set-capabilities",
                 "{\"capabilities\":[{\"capability\":\"events\",\"state\":true}]}");
}

/* The old QEMU may die behind its last word: what counts is that the new one has everything. */
static bool switched(const struct transfer *t) { return t->new.completed && (t->old.completed || !t->old.open); }

static bool switch_over(struct transfer *t) {
  char arguments[512];
  uint64_t deadline = monotonic_ms() + timeout_ms;
  stamp("begin", "-");
  snprintf(arguments, sizeof arguments, "{\"channels\":[{\"channel-type\":\"main\"," UNIX "}],\"exit-on-error\":false}",
           t->state);
  if (!command(t, &t->new, "migrate-incoming", arguments)) return false;
  while (!switched(t)) {
    /* Events tell; asking as well guards against a lost one (QEMU limits the rate of some). */
    listen_to_qemus(t, POLL_MS);
    if (!t->new.open || t->new.failed) {
      if (t->new.open) command(t, &t->new, "query-migrate", "{}");
      return fail("the new QEMU could not load the state: %s", t->new.why[0] ? t->new.why : "no reason given");
    }
    if (t->old.failed) {
      command(t, &t->old, "query-migrate", "{}");
      return fail("the old QEMU could not send the state: %s", t->old.why[0] ? t->old.why : "no reason given");
    }
    if (monotonic_ms() > deadline) return fail("the state was not loaded within %u ms", timeout_ms);
    if (!t->new.completed && !command(t, &t->new, "query-migrate", "{}")) return false;
    if (!t->old.completed && t->old.open) command(t, &t->old, "query-migrate", "{}");
  }
  stamp("vm-saved", t->vm);
  stamp("restored", t->vm);
  return true;
}

static void kill_and_wait(int pidfd) {
  syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
  for (uint64_t deadline = monotonic_ms() + timeout_ms; !has_ended(pidfd) && monotonic_ms() < deadline;) {
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    poll(&fd, 1, 50);
  }
}

/* What has become of `cont`. One that is refused has executed nothing (QEMU 10.0, monitor/qmp-cmds.c: qmp_cont). */
enum resumption { RESUMED, REFUSED, DIED };

static enum resumption resume(struct transfer *t) {
  /* The monitor of a QEMU that dies goes before its process: one that could not be told has executed nothing either. */
  bool accepted = command(t, &t->new, "cont", "{}");
  if (t->new.unsent || (!accepted && t->new.open && !t->new.awaiting)) return REFUSED;
  /* Killed, not asked to quit: it would remove its sockets by name, and those names belong to the new one soon. */
  kill_and_wait(t->old_pidfd);
  if (!accepted) return DIED;
  uint64_t deadline = monotonic_ms() + 1000;
  while (t->new.open && !t->new.running && monotonic_ms() < deadline) command(t, &t->new, "query-status", "{}");
  return RESUMED;
}

static void write_record(const struct transfer *t) {
  int fd = open(t->record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  (void)!write(fd, stamps, stamps_used);
  close(fd);
}

/* ---- undo ---- */

/* A source whose migration has just failed refuses `cont` for a moment ("Migration is not finalized yet"). */
static bool continue_old(struct transfer *t) {
  for (uint64_t deadline = monotonic_ms() + timeout_ms; t->old.open && monotonic_ms() < deadline; usleep(2000)) {
    if (command(t, &t->old, "query-status", "{}") && t->old.running) return true;
    if (command(t, &t->old, "cont", "{}")) continue;
  }
  return false;
}

static int undo(struct transfer *t, const char *step, int code) {
  if (code == 1) say("failed %s %s", step, failure);
  kill_and_wait(t->new_pidfd);
  if (!has_died(t)) {
    say("stuck %s the new QEMU cannot be killed, so the old one is not continued", t->vm);
    return 4;
  }
  if (!t->old.open) {
    say("lost %s its QEMU has died", t->vm);
    return 5;
  }
  if (!t->old.completed) command(t, &t->old, "migrate_cancel", "{}");
  if (!continue_old(t)) {
    say("stuck %s %s", t->vm, failure);
    return 4;
  }
  command(t, &t->old, "migrate-set-parameters", "{\"mode\":\"normal\"}");
  command(t, &t->old, "migrate-set-capabilities", CAPABILITIES("false"));
  say("undone");
  return code;
}

#endif
