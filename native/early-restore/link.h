/*
 * QEMUs that are linked while modules are still being loaded: for that they need nothing but the store, and it is most of the
 * time that they need until they answer (emulated: three quarters of it, a third of the instructions).
 *
 * Each VM's QEMU is executed with libexuvia-linked.so, which stops it before its own code begins, until its VM is to run. One
 * that does not answer from there is replaced by one that is executed when everything is there.
 */
#ifndef EXUVIA_LINK_H
#define EXUVIA_LINK_H

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "linked.h"
#include "log.h"
#include "plan.h"
#include "qemu.h"

#define LINKED_OBJECT "/libexuvia-linked.so" /* in the initramfs */
#define LOADER "/lib64/ld-linux-x86-64.so.2"  /* x86-64 psABI: what every QEMU names as its interpreter */

/* The loader from beside QEMU's libraries: the root file system is not there yet. */
static void place_loader(const char *binary) {
  char target[512];
  const char *slash = strrchr(binary, '/');
  snprintf(target, sizeof target, "%.*s/lib/%s", (int)(slash ? slash - binary : 0), binary, strrchr(LOADER, '/') + 1);
  mkdir("/lib64", 0755);
  if (symlink(target, LOADER) < 0 && errno != EEXIST) logf_kernel("%s: %s", LOADER, strerror(errno));
}

static void execute_linked(const struct vm *vm, int control, int qmp) __attribute__((noreturn));
static void execute_linked(const struct vm *vm, int control, int qmp) {
  const char *env[MAX_WORDS + 2];
  /* Where the object is not brought in, this is what it comes to: a QEMU that says its version and ends. */
  char *const arguments[] = {(char *)vm->args[0], "-version", NULL};
  size_t n = 0;
  for (; n < vm->env_count; n++) env[n] = vm->env[n];
  env[n++] = "LD_PRELOAD=" LINKED_OBJECT;
  env[n] = NULL;
  control = fcntl(control, F_DUPFD_CLOEXEC, LINKED_QMP_FD + 1);
  if (dup2(qmp, LINKED_QMP_FD) < 0 || dup2(control, LINKED_CONTROL_FD) < 0) _exit(71);
  execve(vm->args[0], arguments, (char *const *)env);
  logf_kernel("%s: %s", vm->args[0], strerror(errno));
  _exit(127);
}

/* Makes the process of a VM, which enters its scope and goes on when it is told to: linked beforehand, or not. */
static bool make_process(struct vm *vm, bool linked) {
  int qmp[2], control[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) < 0) return false;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0) {
    close(qmp[0]);
    close(qmp[1]);
    return false;
  }
  vm->pid = fork();
  if (vm->pid == 0 && linked) execute_linked(vm, control[1], qmp[1]);
  if (vm->pid == 0) become_qemu(vm, control[1], qmp[1]);
  close(qmp[1]);
  close(control[1]);
  vm->qmp.fd = qmp[0];
  vm->control = control[0];
  return vm->pid > 0;
}

static void end_process(struct vm *vm) {
  if (vm->pid > 0) {
    kill(vm->pid, SIGKILL);
    waitpid(vm->pid, NULL, 0);
    close(vm->control);
    close(vm->qmp.fd);
  }
  vm->pid = 0;
  vm->qmp.fd = -1;
}

/* True: the VM's process is in its scope. */
static bool has_entered(const struct vm *vm, uint64_t deadline) {
  unsigned word;
  const uint64_t now = monotonic_ms();
  struct pollfd fd = {.fd = vm->control, .events = POLLIN};
  return vm->pid > 0 && poll(&fd, 1, now < deadline ? (int)(deadline - now) : 0) == 1 && hear(vm->control, &word);
}

#endif
