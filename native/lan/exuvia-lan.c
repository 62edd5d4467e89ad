/*
 * exuvia-lan TAP OWN-SOCKET LAB-SOCKET
 *
 * The cable between a lab host and another machine: what a tap of this network namespace sends goes as a datagram to
 * LAB-SOCKET (the lab host's second NIC, QEMU's `-netdev dgram`), and what comes to OWN-SOCKET goes to the tap. As on a
 * cable, a frame that nobody takes is lost. Says `announced MAC` for each RARP frame that comes from the lab host. Ends at
 * the end of its input.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FRAME_BYTES 65536

static int open_tap(const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0) return fd;
  perror(name);
  exit(71);
}

static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) < sizeof address.sun_path) strcpy(address.sun_path, path);
  return address;
}

static int open_socket(const char *path) {
  const struct sockaddr_un own = address_of(path);
  const int size = 4 << 20;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  unlink(path);
  if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof own) < 0) {
    perror(path);
    exit(71);
  }
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return fd;
}

static void tell_announcement(const unsigned char *frame, ssize_t length) {
  if (length < 14 || frame[12] != 0x80 || frame[13] != 0x35) return;
  printf("announced %02x:%02x:%02x:%02x:%02x:%02x\n", frame[6], frame[7], frame[8], frame[9], frame[10], frame[11]);
  fflush(stdout);
}

int main(int argc, char **argv) {
  static unsigned char frame[FRAME_BYTES];
  if (argc != 4) {
    fprintf(stderr, "usage: exuvia-lan TAP OWN-SOCKET LAB-SOCKET\n");
    return 64;
  }
  int tap = open_tap(argv[1]), cable = open_socket(argv[2]);
  const struct sockaddr_un lab = address_of(argv[3]);
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct pollfd fds[3] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = tap, .events = POLLIN}, {.fd = cable, .events = POLLIN}};
    if (poll(fds, 3, -1) < 0) continue;
    if (fds[0].revents && read(STDIN_FILENO, frame, sizeof frame) <= 0) break;
    ssize_t n = fds[1].revents ? read(tap, frame, sizeof frame) : 0;
    if (n > 0) sendto(cable, frame, (size_t)n, MSG_DONTWAIT, (const struct sockaddr *)&lab, sizeof lab);
    n = fds[2].revents ? recv(cable, frame, sizeof frame, MSG_DONTWAIT) : 0;
    if (n <= 0) continue;
    tell_announcement(frame, n);
    (void)!write(tap, frame, (size_t)n);
  }
  unlink(argv[2]);
  return 0;
}
