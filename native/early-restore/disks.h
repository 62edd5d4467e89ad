/*
 * Block devices that VMs have: found by a number that the disk brings along, and given the name by which QEMU opens
 * them. udev, which gives the same name later, finds it there.
 */
#ifndef EXUVIA_DISKS_H
#define EXUVIA_DISKS_H

#include "devices.h"

static bool find_disk(const struct device *device, char *name, size_t size) {
  DIR *dir = opendir("/sys/class/block");
  bool found = false;
  for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
    if (entry->d_name[0] == '.' || !is_device(entry->d_name, device)) continue;
    snprintf(name, size, "%.200s", entry->d_name);
    found = true;
  }
  if (dir) closedir(dir);
  return found;
}

/* Waits for the device and makes its name. Without it QEMU cannot start: that VM is taken up later, by the agent. */
static void name_disk(const struct device *device, int events) {
  char name[256], path[512], target[1024] = ""; /* a path of 200 characters has 100 directories at most */
  const uint64_t deadline = device_deadline();
  while (!find_disk(device, name, sizeof name)) {
    if (monotonic_ms() > deadline) {
      logf_kernel("%s: no disk has the %s %s", device->path, device->kind, device->value);
      return;
    }
    wait_for_block_device(events);
  }
  stamp("found", device->path);
  snprintf(path, sizeof path, "%s", device->path);
  for (char *p = path + strlen("/dev/"); (p = strchr(p, '/')); p++) {
    *p = 0;
    mkdir(path, 0755);
    *p = '/';
    strcat(target, "../");
  }
  strcat(target, name);
  if (symlink(target, path) < 0 && errno != EEXIST) logf_kernel("%s: %s", path, strerror(errno));
}

#endif
