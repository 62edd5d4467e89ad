/* Leading the QEMUs from the saved state to the running guest, all at once. */
#ifndef EXUVIA_VM_H
#define EXUVIA_VM_H

#include <poll.h>
#include <signal.h>

#include "cpus.h"
#include "crc32.h"
#include "devices.h"
#include "fallback.h"
#include "log.h"
#include "plan.h"
#include "qemu.h"
#include "watchdog.h"

static void vm_end(struct vm *vm, enum progress end, const char *fate, const char *why) {
  vm->progress = end;
  if (vm->qmp.fd >= 0) close(vm->qmp.fd);
  vm->qmp.fd = -1;
  note("vm %s %s %s\n", vm->name, fate, why);
  logf_kernel("VM %s: %s", vm->name, why);
}

static void vm_fail(struct vm *vm, const char *why) {
  if (vm->progress > RESTORED) return;
  if (vm->progress == RESUMING) {
    /* Its saved state is gone: this QEMU is all that there is of it, whatever keeps it from running on. */
    vm_end(vm, PAUSED, "paused", why);
    return;
  }
  if (vm->pid > 0) kill(vm->pid, SIGKILL); /* half restored: it must never run */
  vm_end(vm, FAILED, "failed", why);
}

static bool fault_is(const char *action, const struct vm *vm) {
  size_t length = strlen(action);
  if (!fault || strncmp(fault, action, length) != 0) return false;
  return fault[length] == 0 || (fault[length] == ' ' && strcmp(fault + length + 1, vm->name) == 0);
}

static void vm_start(struct vm *vm) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
    vm_fail(vm, strerror(errno));
    return;
  }
  stamp("qemu-exec", vm->name);
  vm->pid = fork_into_cgroup(vm->scope);
  if (vm->pid == 0) become_qemu(vm, pair[1]);
  close(pair[1]);
  vm->qmp.fd = pair[0];
  record->qemus[vm - vms] = vm->pid;
  if (vm->pid < 0) vm_fail(vm, "no process could be made");
}

/* Compares the saved state with what the old kernel wrote down; runs while the QEMUs start. */
static void check_state(struct vm *vm) {
  static unsigned char block[65536];
  char path[512];
  snprintf(path, sizeof path, "%s%s", SYSROOT, vm->state);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  uint32_t crc = 0;
  unsigned long long bytes = 0;
  ssize_t n = -1;
  while (fd >= 0 && (n = read(fd, block, sizeof block)) > 0) {
    crc = crc32_update(crc, block, (size_t)n);
    bytes += (unsigned long long)n;
  }
  if (fd >= 0) close(fd);
  vm->damaged = !vm->sealed || n != 0 || bytes != vm->state_bytes || crc != vm->state_crc;
}

static bool read_manifest(void) {
  char path[512], *line;
  snprintf(path, sizeof path, "%s%s", SYSROOT, manifest);
  char *text = read_whole(path, 1 << 20);
  if (!text) {
    logf_kernel("%s: %s", path, strerror(errno));
    if (image_count > 0) fall_back("the store cannot be read");
    return false;
  }
  line = next_line(&text);
  if (!line || strcmp(line, "exuvia-manifest 1") != 0) {
    logf_kernel("%s: voided or damaged", path);
    return false;
  }
  while ((line = next_line(&text))) {
    char *rest = line, *word = next_word(&rest), *name = next_word(&rest);
    for (size_t i = 0; word && name && i < vm_count; i++) {
      if (strcmp(vms[i].name, name) != 0) continue;
      if (strcmp(word, "left") == 0) vms[i].left = true;
      if (strcmp(word, "state") == 0 && rest &&
          sscanf(rest, "%llu %x", &vms[i].state_bytes, &vms[i].state_crc) == 2)
        vms[i].sealed = true;
    }
  }
  return true;
}

/*
 * QEMU reads QMP byte by byte, five system calls each (10.0, monitor_can_read): what can be an argument is one, and
 * nothing is said that need not be. The state has a path, not a descriptor: QEMU 11.1 takes no file as `fd:`.
 */
static void vm_greeted(struct vm *vm) {
  stamp("qemu-ready", vm->name);
  if (vm->damaged) {
    vm_fail(vm, "its saved state is damaged: not loaded");
    return;
  }
  vm->progress = LOADING;
  if (fault_is("kill", vm)) kill(vm->pid, SIGKILL);
  char commands[1024];
  snprintf(commands, sizeof commands,
           "{\"execute\":\"qmp_capabilities\"}\n"
           "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":["
           "{\"capability\":\"x-ignore-shared\",\"state\":true}]}}\n"
           "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"file:%s\"}}",
           vm->state);
  if (qmp_send(&vm->qmp, commands) < 0) vm_fail(vm, "its QEMU went away");
}

/*
 * From the guest's next instruction on the saved state is stale: nobody may ever load it again. Its head is
 * overwritten in place, which memory keeps at once: the removal is kept only when the file system commits it, and
 * the machine may be reset before.
 */
static void forget_state(const struct vm *vm) {
  static const char nothing[64];
  char path[512];
  snprintf(path, sizeof path, "%s%s", SYSROOT, vm->state);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || pwrite(fd, nothing, sizeof nothing, 0) != sizeof nothing)
    logf_kernel("%s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  unlink(path);
}

static void end_turn(const struct vm *vm) {
  char process[16];
  snprintf(process, sizeof process, "%d", (int)vm->pid);
  group_nice(process, 0);
}

static void vm_line(struct vm *vm) {
  const char *line = vm->qmp.line;
  if (vm->progress == STARTING && qmp_member(line, "QMP")) {
    vm_greeted(vm);
  } else if (qmp_member(line, "error")) {
    char why[256];
    qmp_member_copy(line, "desc", why, sizeof why);
    vm_fail(vm, why);
  } else if (qmp_member_is(line, "event", "MIGRATION") && qmp_member_is(line, "status", "completed")) {
    stamp("restored", vm->name);
    end_joining();
    if (!decide(GOING_ON)) {
      end_qemus();
      for (;;) pause(); /* the guardian is on its way back */
    }
    vm->progress = RESUMING;
    record->resumed++;
    forget_state(vm);
    end_turn(vm);
    confine(vm);
    const char *go_on = fault_is("hold", vm) ? "{\"execute\":\"refused\"}" : "{\"execute\":\"cont\"}";
    if (qmp_send(&vm->qmp, go_on) < 0) vm_fail(vm, "its QEMU went away");
  } else if (qmp_member_is(line, "event", "MIGRATION") && qmp_member_is(line, "status", "failed")) {
    vm_fail(vm, "QEMU refused its saved state; see its log");
  } else if (vm->progress == RESUMING && qmp_member_is(line, "event", "RESUME")) {
    stamp("resumed", vm->name);
    vm->progress = RESTORED;
    note("vm %s restored %d\n", vm->name, (int)vm->pid);
  }
}

static void vm_readable(struct vm *vm) {
  if (qmp_receive(&vm->qmp) <= 0) {
    vm_fail(vm, "its QEMU ended; see its log");
    return;
  }
  while (vm->progress < RESTORED && qmp_take_line(&vm->qmp)) vm_line(vm);
}

/* So long the watchdog runs on when the first guest does: its driver would take time from the others' restore. */
#define WATCHDOG_PATIENCE_MS 2000

static void follow_all(void) {
  uint64_t deadline = monotonic_ms() + timeout_ms, patience = 0;
  for (;;) {
    struct pollfd fds[MAX_VMS];
    struct vm *who[MAX_VMS];
    nfds_t n = 0;
    for (size_t i = 0; i < vm_count; i++)
      if (vms[i].progress < RESTORED) {
        fds[n] = (struct pollfd){.fd = vms[i].qmp.fd, .events = POLLIN};
        who[n++] = &vms[i];
      }
    if (n == 0) return;
    uint64_t now = monotonic_ms(), until = deadline;
    if (record->resumed > 0) {
      if (patience == 0) patience = now + WATCHDOG_PATIENCE_MS;
      if (now >= patience) start_stopping_watchdog();
      else if (patience < deadline) until = patience;
    }
    int ready = now < deadline ? poll(fds, n, (int)(until - now)) : 0;
    for (nfds_t i = 0; i < n; i++) {
      if (now >= deadline) vm_fail(who[i], "not restored in time");
      else if (ready > 0 && fds[i].revents) vm_readable(who[i]);
    }
  }
}

/* Another kernel may do better with what is whole; with what is damaged nobody can. */
static bool another_may_succeed(void) {
  if (record->resumed > 0) return false;
  for (size_t i = 0; i < vm_count; i++)
    if (!vms[i].left && !vms[i].damaged) return true;
  return false;
}

/* What can be done for them before there is a kvm. */
static void prepare_vms(void) {
  if (vm_count > 0 && !read_manifest()) logf_kernel("no VM can be restored: the manifest cannot be used");
  for (size_t i = 0; i < vm_count; i++) {
    char scope[512];
    if (vms[i].left) continue;
    snprintf(scope, sizeof scope, "/sys/fs/cgroup/%s", vms[i].scope);
    make_directories(vms[i].runtime);
    make_directories(scope);
  }
}

/* Executes the QEMU of every VM that was saved. */
static void start_vms(void) {
  for (size_t i = 0; i < vm_count; i++) {
    if (vms[i].left) vm_end(&vms[i], FAILED, "left", "it could not be saved and was left behind, as its spec says");
    else vm_start(&vms[i]);
  }
}

/* Returns when each VM runs or has failed. False: none runs, and another kernel is to try. */
static bool restore_vms(void) {
  if (vm_count == 0) return true;
  /* All of them wait for this process: it may not wait for one whose nice value is low (take_turn). */
  setpriority(PRIO_PROCESS, 0, -20);
  for (size_t i = 0; i < vm_count; i++) check_state(&vms[i]);
  follow_all();
  setpriority(PRIO_PROCESS, 0, 0);
  return !another_may_succeed();
}

#endif
