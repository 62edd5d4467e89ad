/* One monitor at a time is asked; what both QEMUs report meanwhile is noted. */
#ifndef EXUVIA_TRANSFER_MONITORS_H
#define EXUVIA_TRANSFER_MONITORS_H

#include <poll.h>
#include <stdlib.h>

#include "agent.h"
#include "qmp.h"
#include "tell.h"

struct monitor {
  const char *path;
  struct qmp qmp;
  bool open;
  unsigned awaiting; /* id of the command that is under way; 0: none */
  bool refused, unsent;
  char why[256];
  /* what its events and replies have said */
  bool stopped, running, completed, failed;
};

struct transfer {
  const char *vm, *cpr, *state, *record;
  struct monitor old, new;
  int new_pid, new_pidfd, old_pidfd;
};

static unsigned timeout_ms = 60000, next_id = 1;

static void take_line(struct transfer *t, struct monitor *m) {
  const char *line = m->qmp.line;
  if (qmp_member(line, "event")) {
    if (qmp_member_is(line, "event", "STOP")) {
      m->stopped = true;
      if (m == &t->old) stamp("vm-stop-event", t->vm);
    } else if (qmp_member_is(line, "event", "RESUME")) {
      m->stopped = false;
      stamp(m == &t->new ? "resumed" : "vm-resume-event", t->vm);
    } else if (qmp_member_is(line, "event", "MIGRATION")) {
      if (qmp_member_is(line, "status", "device") && m == &t->old) stamp("vm-suspended", t->vm);
      if (qmp_member_is(line, "status", "completed")) m->completed = true;
      if (qmp_member_is(line, "status", "failed") || qmp_member_is(line, "status", "cancelled")) m->failed = true;
    }
    return;
  }
  char id[16];
  qmp_member_copy(line, "id", id, sizeof id);
  bool error = qmp_member(line, "error") != NULL;
  if (!(m->awaiting && strtoul(id, NULL, 10) == m->awaiting) && !(error && !id[0])) return;
  m->awaiting = 0;
  m->refused = error;
  if (error) qmp_member_copy(line, "desc", m->why, sizeof m->why);
  else if (qmp_member_is(line, "status", "completed")) m->completed = true;
  else if (qmp_member_is(line, "status", "failed")) {
    m->failed = true;
    qmp_member_copy(line, "error-desc", m->why, sizeof m->why);
  } else if (qmp_member(line, "running"))
    m->running = strncmp(qmp_member(line, "running"), "true", 4) == 0;
}

static void lose(struct monitor *m) {
  m->open = false;
  m->awaiting = 0;
  m->refused = true;
  close(m->qmp.fd);
  snprintf(m->why, sizeof m->why, "it has ended");
}

/* Takes what both QEMUs say for at most `ms`; returns early when something came, or the new one has died. */
static void listen_to_qemus(struct transfer *t, int ms) {
  struct monitor *who[2] = {&t->old, &t->new};
  struct pollfd fds[3] = {{.fd = t->new_pidfd, .events = POLLIN}};
  for (int i = 0; i < 2; i++)
    fds[i + 1] = (struct pollfd){.fd = who[i]->open ? who[i]->qmp.fd : -1, .events = POLLIN};
  if (poll(fds, 3, ms) <= 0) return;
  for (int i = 0; i < 2; i++) {
    if (!who[i]->open || !fds[i + 1].revents) continue;
    if (qmp_receive(&who[i]->qmp) <= 0) lose(who[i]);
    while (who[i]->open && qmp_take_line(&who[i]->qmp)) take_line(t, who[i]);
  }
}

static bool has_ended(int pidfd) {
  struct pollfd fd = {.fd = pidfd, .events = POLLIN};
  return poll(&fd, 1, 0) > 0;
}

static bool has_died(const struct transfer *t) { return has_ended(t->new_pidfd); }

/* Sends a command and waits for its reply; false with the reason in `failure`. */
static bool command(struct transfer *t, struct monitor *m, const char *name, const char *arguments) {
  char json[2048];
  const char *side = m == &t->old ? "old" : "new";
  uint64_t deadline = monotonic_ms() + timeout_ms;
  m->unsent = !m->open;
  if (!m->open) return fail("the %s QEMU: %s", side, m->why[0] ? m->why : "it has ended");
  m->awaiting = next_id++;
  m->refused = false;
  snprintf(json, sizeof json, "{\"execute\":\"%s\",\"arguments\":%s,\"id\":\"%u\"}", name, arguments, m->awaiting);
  if (qmp_send(&m->qmp, json) < 0) {
    m->unsent = true;
    lose(m);
  }
  while (m->awaiting && monotonic_ms() < deadline) listen_to_qemus(t, 50);
  if (m->awaiting) return fail("the %s QEMU: no answer to %s within %u ms", side, name, timeout_ms);
  return !m->refused || fail("the %s QEMU: %s: %s", side, name, m->why);
}

static bool open_monitor(struct transfer *t, struct monitor *m) {
  m->open = qmp_connect(&m->qmp, m->path) == 0;
  if (!m->open) return fail("%s: %s", m->path, strerror(errno));
  return command(t, m, "qmp_capabilities", "{}");
}

#endif
