/* Undoing the pause: the VMs run on where they were, and no trace of it is left. */
#ifndef EXUVIA_PAUSE_UNDO_H
#define EXUVIA_PAUSE_UNDO_H

#include "qemus.h"
#include "steps.h"

#define PATIENCE_MS 50

/*
 * Continues every VM that does not run yet, and is asked again while one does not: QEMU 11.1 refuses for a moment after a
 * save that it calls completed. One that is silent does not keep another from being asked again. True: not all run.
 */
static bool resume_all(uint64_t deadline) {
  const uint64_t soon = monotonic_ms() + PATIENCE_MS;
  bool pending = false;
  for (size_t i = 0; i < vm_count; i++)
    if (!vms[i].closed && !vms[i].resumed && !(vms[i].asked && vms[i].awaiting)) {
      vms[i].asked = true;
      send_command(&vms[i], "cont", "{}");
    }
  pump(replied, soon < deadline ? soon : deadline);
  for (size_t i = 0; i < vm_count; i++) {
    vms[i].resumed = vms[i].resumed || (vms[i].asked && !vms[i].awaiting && !vms[i].refused);
    if (!vms[i].closed && !vms[i].resumed) pending = true;
  }
  return pending;
}

/*
 * From a guest's next instruction on its saved state is stale. A machine that is reset before the files are gone
 * from the disk must not take it for good: the manifest, without which no state is ever loaded, is spoilt in
 * place first, which a store that is memory keeps at once.
 */
static void void_manifest(void) {
  static const char nothing[] = "void";
  if (manifest_fd >= 0 && pwrite(manifest_fd, nothing, sizeof nothing, 0) == sizeof nothing) fdatasync(manifest_fd);
}

static bool undo(void) {
  uint64_t noticed = clock_ns(CLOCK_MONOTONIC);
  uint64_t deadline = monotonic_ms() + timeout_ms;
  bool all = true;
  for (size_t i = 0; i < vm_count; i++)
    if (!vms[i].closed && vms[i].migration == MIGRATION_ACTIVE) send_command(&vms[i], "migrate_cancel", "{}");
  pump(migrated, monotonic_ms() + 1000);
  void_manifest();
  disarm_watchdog();
  while (suspending && resume_all(deadline) && monotonic_ms() < deadline) usleep(2000);
  if (suspending) say("resumed after %.1f ms", (double)(clock_ns(CLOCK_MONOTONIC) - noticed) / 1e6);
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

#endif
