/*
 * What a block device is known by under any kernel: a number that its disk brings along, and which of its partitions it
 * is. Never what is written on it: a guest could write the same on a disk of its own.
 */
#ifndef EXUVIA_IDENTITY_H
#define EXUVIA_IDENTITY_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan.h"

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

/* The number of a partition; 0 for a whole disk. */
static unsigned long partition_of(const char *name) {
  char path[512], number[32];
  snprintf(path, sizeof path, "/sys/class/block/%.200s/partition", name);
  return read_attribute(path, 0, number, sizeof number) ? strtoul(number, NULL, 10) : 0;
}

static bool is_device(const char *name, const struct device *device) {
  unsigned long partition = partition_of(name);
  return partition == device->partition && is_of_disk(name, partition != 0, device);
}

/* True for the devices of VMs, and for the partitions of such a disk: a guest has written what is on them. */
static bool is_of_vm(const char *name) {
  unsigned long partition = partition_of(name);
  for (size_t i = 0; i < device_count; i++)
    if ((devices[i].partition == 0 || devices[i].partition == partition) && is_of_disk(name, partition != 0, &devices[i]))
      return true;
  return false;
}

#endif
