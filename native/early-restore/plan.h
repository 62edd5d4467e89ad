/*
 * The restore plan, compiled by the agent beforehand; a directive a line:
 *   exuvia-early-restore 2                     the format's version
 *   module GROUP FILE [OPTIONS]                groups load in parallel, the modules of one in this order; VMs wait for
 *                                              `vm`; `network` when `vm` is there, `watchdog` when the VMs run
 *   root UUID TYPE OPTIONS                     the host's root file system
 *   mount UUID TYPE PATH OPTIONS               further file systems that VMs need
 *   on PATH PARTITION wwid|serial VALUE        the disk that the file system at PATH is on, where it has such a number
 *   device PATH PARTITION wwid|serial VALUE    a block device that a VM opens by the name PATH, below /dev/disk
 *   store LABEL TYPE PATH OPTIONS              where memory and state of the VMs lie
 *   bridge NAME MAC MTU SETTING=VALUE...       made before the QEMUs start; SETTING in /sys/class/net/NAME/bridge
 *   nic NAME PERMANENT-MAC MAC MTU BRIDGE|-    a NIC that is a port of a bridge, or that VLANs lie on
 *   vlan NAME NIC ID BRIDGE                    a VLAN that is a port of a bridge
 *   watchdog DEVICE                            armed before the jump; stopped when the VMs run
 *   online-cpus LIST                           CPUs that the kernel before had; they join while QEMUs start
 *   manifest FILE                              `state NAME BYTES CRC32` of every saved VM (exuvia-pause wrote it)
 *   vm NAME                                    a VM, in the order of their priority, followed by its
 *     ram FILE  state FILE  scope CGROUP  log FILE  runtime DIRECTORY  cpus LIST  nice N  arg WORD...  env NAME=VALUE...
 *     tap NAME,FD,BRIDGE,MAC...                (common/tap.h)
 *   timeout-ms N                               for each VM
 *   init FILE                                  what becomes process 1 afterwards
 *   fallback KERNEL INITRAMFS                  where to go when no VM can be restored; tried in this order
 *   fallback-arguments TEXT                    that kernel's command line
 *   failure FILE                               written before going there: why
 *   at-once fallback                           nothing is restored here: go there at once (a crash kernel), with
 *                                              images that lie in this initramfs
 *   fault MOMENT panic|hang|stall|fail [VM]    for tests (fault.h)
 *   checksum CRC32                             of everything before it
 * Paths are those of the running host.
 */
#ifndef EXUVIA_PLAN_H
#define EXUVIA_PLAN_H

#include <stdbool.h>
#include <sys/types.h>

#include "log.h"
#include "qmp.h"
#include "tap.h"
#include "text.h"

#define SYSROOT "/sysroot" /* where the host's root file system lies until it becomes / */
#define MAX_MODULES 256
#define MAX_MOUNTS 16
#define MAX_DEVICES 1024
#define MAX_WORDS 1024
#define MAX_INTERFACES 1024
#define VM_GROUP "vm"
#define NETWORK_GROUP "network"
#define WATCHDOG_GROUP "watchdog"

struct module {
  const char *group, *file, *options;
  bool taken;
};

struct image {
  const char *kernel, *initrd;
};

struct device {
  const char *path, *kind, *value;
  unsigned long partition; /* 0: the whole disk */
};

struct file_system {
  const char *id, *type, *path, *options;
  bool by_label;
  struct device disk; /* its kind is NULL when that has no such number */
};

struct bridge {
  const char *name;
  unsigned char mac[6];
  int mtu;
  char *settings;
};

struct nic {
  const char *name, *bridge;
  unsigned char permanent_mac[6], mac[6];
  int mtu;
};

struct vlan {
  const char *name, *nic, *bridge;
  int id;
};

enum progress { STARTING, LOADING, RESUMING, RESTORED, PAUSED, FAILED };

struct vm {
  const char *name, *ram, *state, *scope, *log, *runtime, *cpus, *nice;
  const char *args[MAX_WORDS + 1], *env[MAX_WORDS + 1];
  size_t arg_count, env_count, tap_count;
  struct tap taps[MAX_TAPS];
  pid_t pid;
  enum progress progress;
  struct qmp qmp;
  unsigned long long state_bytes;
  unsigned state_crc;
  bool sealed, damaged, left;
};

static struct module modules[MAX_MODULES];
static struct file_system mounts[MAX_MOUNTS]; /* the root file system first, then in mounting order */
static struct device devices[MAX_DEVICES];
static struct vm vms[MAX_VMS];
static struct bridge bridges[MAX_INTERFACES];
static struct nic nics[MAX_INTERFACES];
static struct vlan vlans[MAX_INTERFACES];
static size_t module_count, mount_count, device_count, vm_count, bridge_count, nic_count, vlan_count;
static struct image images[4];
static size_t image_count;
static const char *fallback_arguments = "", *failure_file, *fault, *fault_moment;
static bool in_initramfs; /* the fallback images lie here, and are taken at once */
static const char *online_cpus, *watchdog, *manifest, *init_program = "/sbin/init";
static unsigned timeout_ms = 30000;
static char plan_error[256];

static bool plan_fails(const char *what, const char *word) {
  snprintf(plan_error, sizeof plan_error, "restore plan: %s: %s", word, what);
  return false;
}

static bool plan_file_system(const char *word, char *rest) {
  if (mount_count == MAX_MOUNTS) return plan_fails("too many", word);
  struct file_system *fs = &mounts[mount_count++];
  fs->by_label = strcmp(word, "store") == 0;
  fs->id = next_word(&rest);
  fs->type = next_word(&rest);
  fs->path = strcmp(word, "root") == 0 ? "/" : next_word(&rest);
  fs->options = rest ? rest : "";
  return fs->path || plan_fails("a field is missing", word);
}

/* Its value is NULL when a field is missing. */
static void plan_identity(struct device *device, char *rest) {
  device->path = next_word(&rest);
  const char *partition = next_word(&rest);
  device->kind = next_word(&rest);
  device->value = rest;
  device->partition = partition ? strtoul(partition, NULL, 10) : 0;
}

static bool plan_device(char *rest) {
  if (device_count == MAX_DEVICES) return plan_fails("too many", "device");
  struct device *device = &devices[device_count++];
  plan_identity(device, rest);
  return (device->value && strncmp(device->path, "/dev/disk/", 10) == 0 && strlen(device->path) <= 200) ||
         plan_fails("a field is missing", "device");
}

static bool plan_disk(char *rest) {
  struct device disk;
  plan_identity(&disk, rest);
  if (!disk.value) return plan_fails("a field is missing", "on");
  for (size_t i = 0; i < mount_count; i++)
    if (!mounts[i].by_label && strcmp(mounts[i].path, disk.path) == 0) {
      mounts[i].disk = disk;
      return true;
    }
  return plan_fails("no such file system", "on");
}

static bool plan_image(char *rest) {
  if (image_count == sizeof images / sizeof images[0]) return plan_fails("too many", "fallback");
  struct image *image = &images[image_count++];
  image->kernel = next_word(&rest);
  image->initrd = next_word(&rest);
  return image->initrd || plan_fails("a field is missing", "fallback");
}

static bool plan_module(char *rest) {
  if (module_count == MAX_MODULES) return plan_fails("too many", "module");
  struct module *module = &modules[module_count++];
  module->group = next_word(&rest);
  module->file = next_word(&rest);
  module->options = rest ? rest : "";
  return module->file || plan_fails("a field is missing", "module");
}

static bool plan_bridge(char *rest) {
  if (bridge_count == MAX_INTERFACES) return plan_fails("too many", "bridge");
  struct bridge *bridge = &bridges[bridge_count++];
  bridge->name = next_word(&rest);
  const char *mac = next_word(&rest), *mtu = next_word(&rest);
  bridge->settings = rest;
  bridge->mtu = mtu ? atoi(mtu) : 0;
  return (bridge->mtu > 0 && parse_mac(mac, bridge->mac)) || plan_fails("a field is missing", "bridge");
}

static bool plan_nic(char *rest) {
  if (nic_count == MAX_INTERFACES) return plan_fails("too many", "nic");
  struct nic *nic = &nics[nic_count++];
  nic->name = next_word(&rest);
  const char *permanent = next_word(&rest), *mac = next_word(&rest), *mtu = next_word(&rest);
  nic->bridge = next_word(&rest);
  nic->mtu = mtu ? atoi(mtu) : 0;
  return (nic->bridge && nic->mtu > 0 && parse_mac(permanent, nic->permanent_mac) && parse_mac(mac, nic->mac)) ||
         plan_fails("a field is missing", "nic");
}

static bool plan_vlan(char *rest) {
  if (vlan_count == MAX_INTERFACES) return plan_fails("too many", "vlan");
  struct vlan *vlan = &vlans[vlan_count++];
  vlan->name = next_word(&rest);
  vlan->nic = next_word(&rest);
  const char *id = next_word(&rest);
  vlan->bridge = next_word(&rest);
  char *end = NULL;
  vlan->id = id ? (int)strtol(id, &end, 10) : -1;
  return (vlan->bridge && end && end != id && !*end && vlan->id >= 0 && vlan->id < 4095) || plan_fails("a field is missing", "vlan");
}

static bool plan_vm_field(struct vm *vm, const char *word, const char *value) {
  if (strcmp(word, "arg") == 0 && vm->arg_count < MAX_WORDS) vm->args[vm->arg_count++] = value;
  else if (strcmp(word, "env") == 0 && vm->env_count < MAX_WORDS) vm->env[vm->env_count++] = value;
  else if (strcmp(word, "ram") == 0) vm->ram = value;
  else if (strcmp(word, "state") == 0) vm->state = value;
  else if (strcmp(word, "scope") == 0) vm->scope = value;
  else if (strcmp(word, "log") == 0) vm->log = value;
  else if (strcmp(word, "runtime") == 0) vm->runtime = value;
  else if (strcmp(word, "cpus") == 0) vm->cpus = value;
  else if (strcmp(word, "nice") == 0) vm->nice = value;
  else if (strcmp(word, "tap") == 0 && vm->tap_count < MAX_TAPS && parse_tap(value, &vm->taps[vm->tap_count]))
    vm->tap_count++;
  else return plan_fails("no directive, or too many of them", word);
  return true;
}

static bool read_plan(const char *path) {
  char *text = read_whole(path, 4 << 20), *line;
  if (!text) return plan_fails(strerror(errno), path);
  bool whole = has_checksum(text);
  line = next_line(&text);
  if (!line || strcmp(line, "exuvia-early-restore 2") != 0) return plan_fails("not version 2", path);
  if (!whole) return plan_fails("damaged: its checksum does not fit", path);
  struct vm *vm = NULL;
  while ((line = next_line(&text))) {
    char *rest = line, *word = next_word(&rest);
    if (!word) continue;
    if (!rest) return plan_fails("lacks its value", word);
    bool good = true;
    if (strcmp(word, "vm") == 0) {
      if (vm_count == MAX_VMS) return plan_fails("too many", word);
      vm = &vms[vm_count++];
      vm->name = rest;
      vm->qmp.fd = -1; /* 0 is a descriptor */
    } else if (strcmp(word, "module") == 0) good = plan_module(rest);
    else if (strcmp(word, "bridge") == 0) good = plan_bridge(rest);
    else if (strcmp(word, "nic") == 0) good = plan_nic(rest);
    else if (strcmp(word, "vlan") == 0) good = plan_vlan(rest);
    else if (strcmp(word, "root") == 0 || strcmp(word, "mount") == 0 || strcmp(word, "store") == 0)
      good = plan_file_system(word, rest);
    else if (strcmp(word, "on") == 0) good = plan_disk(rest);
    else if (strcmp(word, "device") == 0) good = plan_device(rest);
    else if (strcmp(word, "online-cpus") == 0) online_cpus = rest;
    else if (strcmp(word, "watchdog") == 0) watchdog = rest;
    else if (strcmp(word, "manifest") == 0) manifest = rest;
    else if (strcmp(word, "init") == 0) init_program = rest;
    else if (strcmp(word, "fallback") == 0) good = plan_image(rest);
    else if (strcmp(word, "fallback-arguments") == 0) fallback_arguments = rest;
    else if (strcmp(word, "failure") == 0) failure_file = rest;
    else if (strcmp(word, "at-once") == 0) in_initramfs = true;
    else if (strcmp(word, "fault") == 0) {
      fault_moment = next_word(&rest);
      fault = rest ? rest : "";
    } else if (strcmp(word, "checksum") == 0) break;
    else if (strcmp(word, "timeout-ms") == 0) timeout_ms = (unsigned)strtoul(rest, NULL, 10);
    else if (vm) good = plan_vm_field(vm, word, rest);
    else good = plan_fails("no directive", word);
    if (!good) return false;
  }
  for (size_t i = 0; i < vm_count; i++)
    if (!vms[i].ram || !vms[i].state || !vms[i].scope || !vms[i].log || !vms[i].runtime || !vms[i].arg_count)
      return plan_fails("a field is missing", vms[i].name);
  if (in_initramfs) return image_count > 0 || plan_fails("no image", "at-once");
  if (mount_count == 0 || strcmp(mounts[0].path, "/") != 0 || (vm_count && !manifest))
    return plan_fails("no root file system or manifest", path);
  return true;
}

#endif
