/*
 * A guest's network interface on the host: a persistent tap that is a port of a bridge, opened without the kernel's
 * virtio-net header (packages/qemu/src/command-line/networks.ts says why). It outlives its QEMU, so that the next one
 * finds it as it was; who removes it is the agent.
 */
#ifndef EXUVIA_TAP_H
#define EXUVIA_TAP_H

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_TAPS 4
#define LAST_TAP_FD 63 /* descriptors from here on are nobody's tap (packages/contract/src/network.ts) */
#define TAP_BUSY_MS 5000

/* NAME,FD,BRIDGE,MAC: interface, descriptor in QEMU, the bridge that it is a port of, the guest's address. */
struct tap {
  char name[IFNAMSIZ], bridge[IFNAMSIZ];
  int fd;
  unsigned char mac[6];
};

static inline bool parse_mac(const char *text, unsigned char *mac) {
  char rest;
  return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5],
                &rest) == 6;
}

static inline bool parse_tap(const char *text, struct tap *tap) {
  char mac[18], rest;
  return sscanf(text, "%15[^,],%d,%15[^,],%17[^,]%c", tap->name, &tap->fd, tap->bridge, mac, &rest) == 4 &&
         tap->fd > STDERR_FILENO && tap->fd <= LAST_TAP_FD && parse_mac(mac, tap->mac);
}

/* An ioctl on an interface; the request's name is filled in here. */
static inline int interface_ioctl(unsigned long what, const char *name, struct ifreq *request) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  snprintf(request->ifr_name, IFNAMSIZ, "%.15s", name);
  int result = fd < 0 ? -1 : ioctl(fd, what, request), saved = errno;
  if (fd >= 0) close(fd);
  errno = saved;
  return result;
}

static inline int set_up(const char *name) {
  struct ifreq request = {0};
  if (interface_ioctl(SIOCGIFFLAGS, name, &request) < 0) return -1;
  request.ifr_flags |= IFF_UP;
  return interface_ioctl(SIOCSIFFLAGS, name, &request);
}

static inline int set_mac(const char *name, const unsigned char *mac) {
  struct ifreq request = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};
  memcpy(request.ifr_hwaddr.sa_data, mac, 6);
  return interface_ioctl(SIOCSIFHWADDR, name, &request);
}

static inline int set_mtu(const char *name, int mtu) {
  struct ifreq request = {.ifr_mtu = mtu};
  return interface_ioctl(SIOCSIFMTU, name, &request);
}

/* A port of a bridge already is no error. */
static inline int join_bridge(const char *bridge, const char *port) {
  struct ifreq request = {.ifr_ifindex = (int)if_nametoindex(port)};
  int result = interface_ioctl(SIOCBRADDIF, bridge, &request);
  return result < 0 && errno == EBUSY ? 0 : result;
}

/* The host itself has nothing to say on a guest's tap. */
static inline void silence_ipv6(const char *name) {
  char path[96];
  snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%.15s/disable_ipv6", name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!write(fd, "1", 1);
  close(fd);
}

/* Becomes the one that holds the interface, making it if need be. A QEMU that is ending may hold it a moment longer. */
static inline int attach_tap(const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) return -1;
  snprintf(request.ifr_name, IFNAMSIZ, "%.15s", name);
  int result = -1;
  for (int waited = 0; (result = ioctl(fd, TUNSETIFF, &request)) < 0 && errno == EBUSY && waited < TAP_BUSY_MS; waited += 10)
    usleep(10000);
  if (result == 0 && ioctl(fd, TUNSETPERSIST, 1) == 0) return fd;
  int saved = errno;
  close(fd);
  errno = saved;
  return -1;
}

/*
 * A bridge takes on the lowest address of its ports unless it was given one: hence `fe`, the highest. A port with a
 * smaller MTU would lower the bridge's.
 */
static inline bool plug_tap(const struct tap *tap) {
  unsigned char mac[6];
  struct ifreq bridge = {0};
  memcpy(mac, tap->mac, sizeof mac);
  mac[0] = 0xfe;
  silence_ipv6(tap->name);
  set_mac(tap->name, mac);
  if (interface_ioctl(SIOCGIFMTU, tap->bridge, &bridge) == 0) set_mtu(tap->name, bridge.ifr_mtu);
  bool joined = join_bridge(tap->bridge, tap->name) == 0;
  int saved = errno;
  set_up(tap->name);
  errno = saved;
  return joined;
}

/* Gives an open tap the number that QEMU's command line names, across exec. Closes `fd`. */
static inline bool number_tap(int fd, const struct tap *tap) {
  bool numbered = fd == tap->fd ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, tap->fd) == tap->fd;
  if (fd != tap->fd) close(fd);
  return numbered;
}

/*
 * Opens a VM's tap under its number; false with errno when there is none. A tap that cannot become a port of its
 * bridge is no reason for a VM not to run: it is told through `say`, and the agent tries again.
 */
static inline bool open_tap(const struct tap *tap, void (*say)(const char *format, ...)) {
  int fd = attach_tap(tap->name);
  if (fd < 0) return false;
  if (!plug_tap(tap)) say("%s is not a port of bridge %s: %s", tap->name, tap->bridge, strerror(errno));
  return number_tap(fd, tap);
}

#endif
