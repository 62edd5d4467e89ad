/*
 * Block devices that VMs have: found by a number that the disk brings along, and given the name by which QEMU opens
 * them. udev, which gives the same name later, finds it there.
 */
#ifndef EXUVIA_DISKS_H
#define EXUVIA_DISKS_H

#include "devices.h"

/* Reads an attribute behind its first `head` bytes, without blanks around it; false when it is missing or empty. */
static bool read_attribute(const char *path, size_t head, char *text, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
  if (fd >= 0) close(fd);
  if (n <= (ssize_t)head) return false;
  text[n] = 0;
  size_t start = head + strspn(text + head, " \t\n"), length = strlen(text + start);
  while (length > 0 && strchr(" \t\n", text[start + length - 1])) length--;
  memmove(text, text + start, length);
  text[length] = 0;
  return length > 0;
}

/* True when the disk of this device (below /sys/class/block) is the one that is looked for. */
static bool is_of_disk(const char *name, bool partition, const struct device *device) {
  /* As packages/sys/src/mounts/block-identity.ts has them. */
  static const struct {
    const char *kind, *attribute;
    size_t head;
  } places[] = {{"wwid", "wwid", 0},
                {"wwid", "device/wwid", 0},
                {"serial", "serial", 0},
                {"serial", "device/serial", 0},
                {"serial", "device/vpd_pg80", 4}};
  char path[512], text[256];
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    if (strcmp(places[i].kind, device->kind) != 0) continue;
    snprintf(path, sizeof path, "/sys/class/block/%.200s/%s%s", name, partition ? "../" : "", places[i].attribute);
    if (read_attribute(path, places[i].head, text, sizeof text)) return strcmp(text, device->value) == 0;
  }
  return false;
}

static bool find_disk(const struct device *device, char *name, size_t size) {
  DIR *dir = opendir("/sys/class/block");
  bool found = false;
  for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
    char path[512], number[32] = "0";
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/sys/class/block/%.200s/partition", entry->d_name);
    bool partition = read_attribute(path, 0, number, sizeof number);
    if (strtoul(number, NULL, 10) != device->partition || !is_of_disk(entry->d_name, partition, device)) continue;
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
