/*
 * The way back: when this kernel cannot bring back a single VM, the machine jumps into the kernel that it came
 * from, whose own early restore tries with what it had. The memory of the VMs stays where it is. Only when that
 * is not possible the machine is reset through its firmware, where the boot loader has been told to start the
 * old kernel once.
 *
 * Never once a guest has executed an instruction here: its saved state is stale from then on.
 */
#ifndef EXUVIA_FALLBACK_H
#define EXUVIA_FALLBACK_H

#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "log.h"
#include "plan.h"

static pid_t guardian = -1;

/* Into /proc/sysrq-trigger, wherever /proc lies by now. */
static void press_sysrq(char key) {
  int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
  if (fd < 0) fd = open(SYSROOT "/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!write(fd, &key, 1);
  close(fd);
}

/*
 * reboot(2) stops every device first, and waits for every driver that is being probed (Linux drivers/base/core.c,
 * device_shutdown): one that hangs holds it up for ever. After so long, more than any machine's devices need, a process
 * resets the machine without asking them.
 */
#define DEVICES_STOP_IN_S 180

static void leave_machine(unsigned command) {
  if (fork() == 0) {
    sleep(DEVICES_STOP_IN_S);
    press_sysrq('b');
    _exit(0);
  }
  syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, NULL);
}

/* A disk that does not answer must not keep the machine from going back. */
static void sync_for_a_while(void) {
  pid_t pid = fork();
  if (pid == 0) {
    sync();
    _exit(0);
  }
  for (int tries = 0; pid > 0 && tries < 300 && waitpid(pid, NULL, WNOHANG) == 0; tries++) usleep(10000);
}

/* While guests run there is nothing that a reset could bring back. */
static void reset_machine(const char *why) {
  if (record && record->resumed > 0) {
    logf_kernel("%s; the VMs run on without a userland", why);
    for (;;) pause();
  }
  logf_kernel("%s; resetting the machine", why);
  sync_for_a_while();
  sleep(3); /* so that a serial console has the message */
  leave_machine(LINUX_REBOOT_CMD_RESTART);
  for (;;) pause();
}

/* Puts down, in the store, what the agent of the old kernel will want to know. */
static void leave_word(const char *why) {
  char path[512];
  if (!failure_file) return;
  snprintf(path, sizeof path, "%s%s", SYSROOT, failure_file);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  dprintf(fd, "failure %s\n", why);
  write_fully(fd, record->text, record->used < sizeof record->text ? record->used : sizeof record->text);
  fsync(fd);
  close(fd);
}

static int open_below(const char *root, const char *path) {
  char whole[512];
  snprintf(whole, sizeof whole, "%s%s", root, path);
  return open(whole, O_RDONLY | O_CLOEXEC);
}

static bool load_image(const struct image *image) {
  const char *root = in_initramfs ? "" : SYSROOT;
  int kernel = open_below(root, image->kernel), initrd = open_below(root, image->initrd);
  /* Linux 6.12 kernel/kexec_file.c: the length counts the terminating NUL. */
  bool loaded = kernel >= 0 && initrd >= 0 &&
                syscall(SYS_kexec_file_load, kernel, initrd, strlen(fallback_arguments) + 1, fallback_arguments,
                        0UL) == 0;
  if (!loaded) logf_kernel("%s, %s: %s", image->kernel, image->initrd, strerror(errno));
  if (kernel >= 0) close(kernel);
  if (initrd >= 0) close(initrd);
  return loaded;
}

/* No QEMU may be there any more that has a VM's memory open. The guardian was made before them, and does not wait for them. */
static void end_qemus(void) {
  for (size_t i = 0; i < vm_count; i++)
    if (record->qemus[i] > 0) kill(record->qemus[i], SIGKILL);
  for (size_t i = 0; i < vm_count; i++)
    if (record->qemus[i] > 0) waitpid(record->qemus[i], NULL, 0);
}

/* Process 1 and the guardian may both be on their way back; so long one has the loading for itself, unless it hangs. */
#define OTHERS_TURN_S 60

static void fall_back(const char *why) __attribute__((noreturn));
static void fall_back(const char *why) {
  logf_kernel("%s; going back to the kernel before", why);
  end_qemus();
  leave_word(why);
  sync_for_a_while();
  if (__atomic_exchange_n(&record->leaving, true, __ATOMIC_SEQ_CST)) sleep(OTHERS_TURN_S);
  for (size_t i = 0; i < image_count; i++)
    if (load_image(&images[i])) leave_machine(LINUX_REBOOT_CMD_KEXEC);
  reset_machine(why);
  _exit(1);
}

/*
 * A process that ends a restore which hangs where it cannot look at a clock (a driver that does not come back
 * from its loading): after `timeout_ms` and a while, unless a VM runs by then. Where there is no kernel to go back to, what
 * is left is a reset, which memory need not outlive: that waits for longer.
 */
static pid_t start_guardian(void) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  const uint64_t patience = timeout_ms + 30000, until = monotonic_ms() + (image_count > 0 ? patience : 4 * patience);
  while (monotonic_ms() < until) usleep(500000);
  if (decide(GOING_BACK)) fall_back("the early restore hangs");
  _exit(0);
}

static void stop_guardian(pid_t pid) {
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

#endif
