/*
 * What of the host's network the VMs need: the bridges that their taps are ports of, before their QEMUs start, and what
 * those bridges lead to, beside the restore: a NIC's driver may take long. The host's own network configuration finds
 * all of it as it was, and does the rest.
 */
#ifndef EXUVIA_NETWORK_H
#define EXUVIA_NETWORK_H

#include <linux/if_vlan.h>
#include <signal.h>
#include <sys/wait.h>

#include "devices.h"
#include "log.h"
#include "plan.h"

#define NIC_TIMEOUT_MS 20000

static bool try_to(const char *what, const char *name, int result) {
  if (result < 0) logf_kernel("%s: %s: %s", name, what, strerror(errno));
  return result >= 0;
}

/* In sysfs, which lies in the host's root file system already. */
static void set_bridge(const char *name, char *settings) {
  for (char *setting; (setting = next_word(&settings));) {
    char path[192], *value = strchr(setting, '=');
    if (!value) continue;
    *value++ = 0;
    snprintf(path, sizeof path, "%s/sys/class/net/%.15s/bridge/%.64s", SYSROOT, name, setting);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    try_to(setting, name, fd < 0 ? -1 : (int)write(fd, value, strlen(value)));
    if (fd >= 0) close(fd);
  }
}

static void make_bridges(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (size_t i = 0; i < bridge_count; i++) {
    const struct bridge *bridge = &bridges[i];
    if (!try_to("no bridge can be made", bridge->name, ioctl(fd, SIOCBRADDBR, bridge->name))) continue;
    try_to("address", bridge->name, set_mac(bridge->name, bridge->mac));
    try_to("MTU", bridge->name, set_mtu(bridge->name, bridge->mtu));
    set_bridge(bridge->name, bridge->settings);
    try_to("up", bridge->name, set_up(bridge->name));
  }
  if (fd >= 0) close(fd);
}

/* A bridge or a VLAN may have the address of the NIC below. */
static bool is_ours(const char *name) {
  for (size_t i = 0; i < bridge_count; i++)
    if (strcmp(bridges[i].name, name) == 0) return true;
  for (size_t i = 0; i < vlan_count; i++)
    if (strcmp(vlans[i].name, name) == 0) return true;
  return false;
}

/* The interface that has this address now. */
static bool find_interface(const unsigned char *mac, char *name) {
  struct if_nameindex *all = if_nameindex();
  bool found = false;
  for (struct if_nameindex *one = all; one && one->if_index && !found; one++) {
    struct ifreq request = {0};
    found = !is_ours(one->if_name) && interface_ioctl(SIOCGIFHWADDR, one->if_name, &request) == 0 &&
            memcmp(request.ifr_hwaddr.sa_data, mac, 6) == 0;
    if (found) snprintf(name, IFNAMSIZ, "%s", one->if_name);
  }
  if (all) if_freenameindex(all);
  return found;
}

static int rename_interface(const char *name, const char *to) {
  struct ifreq request = {0};
  snprintf(request.ifr_newname, IFNAMSIZ, "%.15s", to);
  return interface_ioctl(SIOCSIFNAME, name, &request);
}

/* The name that it had in the kernel before; whoever has that name now gets its own. */
static void take_name(const char *name, const char *wanted) {
  if (strcmp(name, wanted) == 0) return;
  bool taken = if_nametoindex(wanted) != 0;
  if (taken) rename_interface(wanted, "exuvia-other");
  try_to(wanted, name, rename_interface(name, wanted));
  if (taken) rename_interface("exuvia-other", name);
}

static void plug_port(const char *port, const char *bridge) {
  if (strcmp(bridge, "-") != 0) try_to(bridge, port, join_bridge(bridge, port));
  try_to("up", port, set_up(port));
}

/* False: it is not there yet. */
static bool connect_nic(const struct nic *nic) {
  char name[IFNAMSIZ];
  if (!find_interface(nic->permanent_mac, name)) return false;
  take_name(name, nic->name);
  if (memcmp(nic->mac, nic->permanent_mac, 6) != 0) try_to("address", nic->name, set_mac(nic->name, nic->mac));
  try_to("MTU", nic->name, set_mtu(nic->name, nic->mtu));
  plug_port(nic->name, nic->bridge);
  stamp("connected", nic->name);
  return true;
}

/* In the order in which they appear. */
static void connect_nics(void) {
  bool connected[MAX_INTERFACES] = {false};
  size_t left = nic_count;
  for (uint64_t deadline = monotonic_ms() + NIC_TIMEOUT_MS; left > 0 && monotonic_ms() < deadline; usleep(5000))
    for (size_t i = 0; i < nic_count; i++)
      if (!connected[i] && connect_nic(&nics[i])) {
        connected[i] = true;
        left--;
      }
  for (size_t i = 0; i < nic_count; i++)
    if (!connected[i]) logf_kernel("%s: no NIC has its address", nics[i].name);
}

/* Named NIC.ID at first (the type of names that ioctl gives: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD). */
static void connect_vlan(const struct vlan *vlan) {
  struct vlan_ioctl_args type = {.cmd = SET_VLAN_NAME_TYPE_CMD, .u.name_type = VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD};
  struct vlan_ioctl_args add = {.cmd = ADD_VLAN_CMD, .u.VID = vlan->id};
  char name[IFNAMSIZ + 8];
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  snprintf(add.device1, sizeof add.device1, "%.15s", vlan->nic);
  snprintf(name, sizeof name, "%.15s.%d", vlan->nic, vlan->id);
  ioctl(fd, SIOCSIFVLAN, &type);
  bool made = try_to("no VLAN can be made", vlan->name, ioctl(fd, SIOCSIFVLAN, &add));
  if (fd >= 0) close(fd);
  if (!made) return;
  take_name(name, vlan->name);
  plug_port(vlan->name, vlan->bridge);
}

/* Once kvm is there, which comes first. What drivers need of other groups they wait for (load_module). */
static pid_t start_connecting(void) {
  if (nic_count == 0) return -1;
  pid_t pid = fork();
  if (pid != 0) return pid;
  load_group(NETWORK_GROUP);
  connect_nics();
  for (size_t i = 0; i < vlan_count; i++) connect_vlan(&vlans[i]);
  _exit(0);
}

/* What is not done by then is left to the host's own network configuration. */
static void end_connecting(pid_t pid) {
  if (pid <= 0) return;
  uint64_t deadline = monotonic_ms() + NIC_TIMEOUT_MS;
  while (waitpid(pid, NULL, WNOHANG) == 0) {
    if (monotonic_ms() > deadline) {
      logf_kernel("the host's NICs are not connected in time");
      kill(pid, SIGKILL);
      return;
    }
    usleep(5000);
  }
}

#endif
