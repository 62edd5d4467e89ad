/* The steps of the pause. Each says with fail() what went wrong. */
#ifndef EXUVIA_PAUSE_STEPS_H
#define EXUVIA_PAUSE_STEPS_H

#include <fcntl.h>
#include <linux/reboot.h>
#include <sys/syscall.h>

#include "crc32.h"
#include "qemus.h"
#include "samples.h"
#include "watchdog.h"
#include "writer.h"

#define MANIFEST_HEAD "exuvia-manifest 1\n"

#define CAPABILITIES(state)                                             \
  "{\"capabilities\":[{\"capability\":\"x-ignore-shared\",\"state\":" state \
  "},{\"capability\":\"events\",\"state\":" state "}]}"

static bool prepare(void) {
  if (!connect_all() || !command_all("migrate-set-capabilities", CAPABILITIES("true")) ||
      !command_all("migrate-set-parameters", "{\"mode\":\"cpr-reboot\",\"max-bandwidth\":0}"))
    return false;
  for (size_t i = 0; i < vm_count; i++)
    if (!map_memory(&vms[i])) return false;
  stamps_fd = open(stamps_file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (stamps_fd < 0) return fail("%s: %s", stamps_file, strerror(errno));
  /* Every block in place now: the last stamp is written when nothing may be allocated any more. */
  memset(stamps, '\n', sizeof stamps);
  if (write_fully(stamps_fd, stamps, sizeof stamps) < 0 || fsync(stamps_fd) < 0)
    return fail("%s: %s", stamps_file, strerror(errno));
  if (!written(JOURNALS)) return false;
  stamp_clock();
  return true;
}

/* ---- the steps ---- */

static bool suspend_vms(void) {
  suspending = true;
  for (size_t i = 0; i < vm_count; i++) send_command(&vms[i], "stop", "{}");
  bool in_time = pump(replied, monotonic_ms() + timeout_ms);
  for (size_t i = 0; i < vm_count; i++) {
    if (vms[i].may_be_left && (vms[i].closed || vms[i].refused)) continue;
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
  for (size_t i = 0; i < vm_count; i++) sample_memory(&vms[i]); /* QEMU saves meanwhile */
  pump(replied, deadline);
  for (size_t i = 0; i < vm_count; i++)
    if (vms[i].refused) vms[i].migration = MIGRATION_FAILED;
  /* Events tell; asking as well guards against a lost one (QEMU limits the rate of some). */
  while (!pump(migrated, monotonic_ms() + 50) && monotonic_ms() < deadline)
    for (size_t i = 0; i < vm_count; i++)
      if (!vms[i].closed && !vms[i].awaiting && !migrated(&vms[i])) send_command(&vms[i], "query-migrate", "{}");
  for (size_t i = 0; i < vm_count; i++) {
    if (vms[i].may_be_left && vms[i].migration != MIGRATION_COMPLETED) {
      vms[i].left = true;
      say("left %s %s", vms[i].name, vms[i].why[0] ? vms[i].why : "its state was not saved");
      continue;
    }
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
  snprintf(line, size, "state %s %llu %08x\nram %s %llu %llu %08x\n", vm->name, bytes, crc, vm->name,
           vm->memory_bytes, vm->stride, vm->memory_crc);
  return true;
}

/* Writes what every state file must look like after the jump: a damaged one is never loaded. */
static bool seal_state(void) {
  manifest_fd = open(manifest, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (manifest_fd < 0) return fail("%s: %s", manifest, strerror(errno));
  /* The guests' memory first, out of the CPUs' caches: a seal stands for memory that a power failure leaves as it is. */
  if (syncfs(manifest_fd) < 0) return fail("%s: the store could not be synced: %s", manifest, strerror(errno));
  bool good = write_fully(manifest_fd, MANIFEST_HEAD, strlen(MANIFEST_HEAD)) == 0;
  for (size_t i = 0; good && i < vm_count; i++) {
    char line[1024];
    if (vms[i].left) snprintf(line, sizeof line, "left %s\n", vms[i].name);
    else good = seal_one(&vms[i], line, sizeof line);
    good = good && write_fully(manifest_fd, line, strlen(line)) == 0;
  }
  if (good && fsync(manifest_fd) < 0) good = fail("%s: %s", manifest, strerror(errno));
  return good || (failure[0] ? false : fail("%s: %s", manifest, strerror(errno)));
}

static bool sync_file_systems(void) {
  return written(SYNC);
}

static bool commit(void) {
  return written(COMMIT_RECORD);
}

static bool jump(void) {
  stamp_clock();
  stamp("jump", "-");
  if (pwrite(stamps_fd, stamps, stamps_used, 0) != (ssize_t)stamps_used)
    return fail("%s: %s", stamps_file, strerror(errno));
  arm_watchdog();
  syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
  return fail("the kernel refused the jump: %s", strerror(errno));
}

#endif
