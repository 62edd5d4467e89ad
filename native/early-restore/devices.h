/* Modules and file systems: what udev, modprobe and mount do later, for the few that the VMs need now. */
#ifndef EXUVIA_DEVICES_H
#define EXUVIA_DEVICES_H

#include <dirent.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "identity.h"
#include "log.h"
#include "plan.h"

#define DEVICE_TIMEOUT_MS 20000

/* One for all devices: those that are missing hold up the VMs of the others once, not one after the other. */
static uint64_t device_deadline(void) {
  static uint64_t deadline;
  if (deadline == 0) deadline = monotonic_ms() + DEVICE_TIMEOUT_MS;
  return deadline;
}

static void load_module(const struct module *module) {
  int fd = open(module->file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    logf_kernel("%s: %s", module->file, strerror(errno));
    return;
  }
  char options[1024];
  /* No VM waits for a device that a driver of this group probes: its modules need not wait until all that is being probed
     is done (Linux kernel/module/main.c, do_init_module). */
  const bool probes = strcmp(module->group, VM_GROUP) != 0;
  snprintf(options, sizeof options, "%s%s", module->options, probes ? "" : " async_probe");
  const uint64_t deadline = device_deadline();
  int result;
  /* ENOENT: a symbol is unknown. What it depends on may be on its way in another group. */
  while ((result = (int)syscall(SYS_finit_module, fd, options, 0)) < 0 && errno == ENOENT && monotonic_ms() < deadline)
    usleep(10000);
  if (result < 0 && errno != EEXIST) logf_kernel("%s: %s", module->file, strerror(errno));
  close(fd);
  stamp("module", module->file);
  unlink(module->file); /* the initramfs stays in memory for ever: leave nothing in it */
}

static void load_group(const char *group) {
  for (size_t i = 0; i < module_count; i++)
    if (strcmp(modules[i].group, group) == 0) load_module(&modules[i]);
}

static bool is_later(const char *group) {
  return strcmp(group, NETWORK_GROUP) == 0 || strcmp(group, WATCHDOG_GROUP) == 0;
}

struct loader {
  const char *group;
  pid_t pid;
};

/* Starts one process a group; they end when their modules are loaded. Returns how many there are. */
static size_t start_loading(struct loader *loaders, size_t room) {
  size_t count = 0;
  for (size_t i = 0; i < module_count && count < room; i++) {
    if (modules[i].taken || is_later(modules[i].group)) continue;
    pid_t pid = fork();
    if (pid == 0) {
      /* kvm takes longest, and what is restored first waits for it. */
      if (strcmp(modules[i].group, VM_GROUP) == 0) setpriority(PRIO_PROCESS, 0, -20);
      load_group(modules[i].group);
      _exit(0);
    }
    for (size_t k = i; k < module_count; k++)
      if (strcmp(modules[k].group, modules[i].group) == 0) {
        modules[k].taken = true;
        if (pid < 0) load_module(&modules[k]);
      }
    if (pid > 0) loaders[count++] = (struct loader){.group = modules[i].group, .pid = pid};
  }
  return count;
}

static void format_uuid(const unsigned char *u, char *to) {
  for (int i = 0; i < 16; i++) to += sprintf(to, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
}

/* Offsets of magic, UUID and label: Linux 6.12 fs/ext4/ext4.h, fs/xfs/libxfs/xfs_format.h. */
static bool device_is(const char *device, const struct file_system *fs) {
  static unsigned char head[4096];
  int fd = open(device, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = pread(fd, head, sizeof head, 0);
  close(fd);
  if (n != (ssize_t)sizeof head) return false;
  char uuid[40], label[257] = "";
  if (strcmp(fs->type, "ext4") == 0) {
    if (head[0x438] != 0x53 || head[0x439] != 0xef) return false;
    format_uuid(head + 0x468, uuid);
    memcpy(label, head + 0x478, 16);
  } else if (strcmp(fs->type, "xfs") == 0) {
    if (memcmp(head, "XFSB", 4) != 0) return false;
    format_uuid(head + 32, uuid);
    memcpy(label, head + 108, 12);
  } else {
    return false;
  }
  return strcmp(fs->id, fs->by_label ? label : uuid) == 0;
}

/* A kernel may know a disk by another number than the one before (Linux, NVME_QUIRK_BOGUS_NID). */
#define IDENTITY_TIMEOUT_MS 5000
static bool identities_hold = true;

/*
 * Whoever can write to another disk of this host could write this file system's UUID there: the disk counts, as long as it
 * may appear; then any that no VM has.
 */
static bool may_hold(const char *name, const struct file_system *fs) {
  return fs->disk.kind && identities_hold ? is_device(name, &fs->disk) : !is_of_vm(name);
}

/* Finds the block device of a file system among those that exist now. */
static bool find_device(const struct file_system *fs, char *device, size_t size) {
  DIR *dir = opendir("/sys/class/block");
  if (!dir) return false;
  bool found = false;
  struct dirent *entry;
  while (!found && (entry = readdir(dir))) {
    if (entry->d_name[0] == '.' || strncmp(entry->d_name, "loop", 4) == 0 || strncmp(entry->d_name, "ram", 3) == 0)
      continue;
    if (fs->by_label ? strncmp(entry->d_name, "pmem", 4) != 0 : !may_hold(entry->d_name, fs)) continue;
    snprintf(device, size, "/dev/%.200s", entry->d_name);
    found = device_is(device, fs);
  }
  closedir(dir);
  return found;
}

static unsigned long split_options(const char *options, char *data, size_t size) {
  static const struct {
    const char *name;
    unsigned long flag;
  } known[] = {{"rw", 0},
               {"defaults", 0},
               {"ro", MS_RDONLY},
               {"noatime", MS_NOATIME},
               {"relatime", MS_RELATIME},
               {"nodiratime", MS_NODIRATIME},
               {"nosuid", MS_NOSUID},
               {"nodev", MS_NODEV},
               {"noexec", MS_NOEXEC},
               {"lazytime", MS_LAZYTIME}};
  unsigned long flags = 0;
  char copy[1024];
  data[0] = 0;
  snprintf(copy, sizeof copy, "%s", options);
  for (char *save = NULL, *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
    bool is_flag = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
      if (strcmp(word, known[i].name) == 0) {
        flags |= known[i].flag;
        is_flag = true;
      }
    if (is_flag) continue;
    size_t used = strlen(data);
    snprintf(data + used, size - used, "%s%s", used ? "," : "", word);
  }
  return flags;
}

/* The kernel's announcements of devices: opened before the first module is loaded, so that none is missed. */
static int listen_for_devices(void) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
  int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
  if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  logf_kernel("no device events: %s", strerror(errno));
  return -1;
}

/* Sleeps until a block device appears, or for a while (some appear without an event that we could read). */
static void wait_for_block_device(int events) {
  char event[4096];
  struct pollfd fd = {.fd = events, .events = POLLIN};
  while (poll(&fd, 1, 100) > 0) {
    ssize_t n = recv(events, event, sizeof event - 1, 0);
    if (n > 0 && memmem(event, (size_t)n, "SUBSYSTEM=block", 15)) return;
  }
}

/* Waits for a file system's device and mounts it below SYSROOT. */
static bool mount_file_system(const struct file_system *fs, int events) {
  char device[256], where[512], data[1024];
  const uint64_t deadline = device_deadline();
  const uint64_t identified = monotonic_ms() + IDENTITY_TIMEOUT_MS;
  while (!find_device(fs, device, sizeof device)) {
    if (fs->disk.kind && identities_hold && monotonic_ms() > identified) {
      logf_kernel("no disk has the %s %s: looking for the UUID alone", fs->disk.kind, fs->disk.value);
      identities_hold = false;
      continue;
    }
    if (monotonic_ms() > deadline) {
      logf_kernel("no device holds the %s file system %s", fs->type, fs->id);
      return false;
    }
    wait_for_block_device(events);
  }
  stamp("found", fs->path);
  snprintf(where, sizeof where, "%s%s", SYSROOT, strcmp(fs->path, "/") == 0 ? "" : fs->path);
  unsigned long flags = split_options(fs->options, data, sizeof data);
  while (mount(device, where, fs->type, flags, data) < 0) {
    /* An option of the old kernel's that this one does not have (XFS's attr2, until Linux 6.17); not of the store, which must be DAX. */
    if (errno == EINVAL && data[0] && !fs->by_label) {
      logf_kernel("%s on %s: mounted without its options %s", device, where, data);
      data[0] = 0;
      continue;
    }
    /* The device can be there before the file system's module is loaded. */
    if (errno != ENODEV || monotonic_ms() > deadline) {
      logf_kernel("%s on %s (%s): %s", device, where, fs->options, strerror(errno));
      return false;
    }
    usleep(1000);
  }
  return true;
}

#endif
