/* Talking to the monitors of all QEMUs at once, in one thread. */
#ifndef EXUVIA_PAUSE_QEMUS_H
#define EXUVIA_PAUSE_QEMUS_H

#include <poll.h>

#include "state.h"

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

#endif
