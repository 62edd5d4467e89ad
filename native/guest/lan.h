/*
 * A guest on a network: `address=A.B.C.D` (of a /24) on the kernel command line gives its first NIC that address; it
 * then answers on TCP port 7000, and with `peer=A.B.C.D` it connects to port 7001 there, again whenever that ends. An
 * sshd in its initramfs is started.
 *
 * On every connection both sides say the same, all the time: lines of three 64-bit numbers in 16 hexadecimal digits,
 * `NUMBER RECEIVED ERRORS`: the lines from 0 on, and what has come from the other side so far, right and wrong. After the
 * other side's end of file comes one more line, with the final count.
 */
#ifndef EXUVIA_LAN_H
#define EXUVIA_LAN_H

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "heartbeat.h"

#define LAN_LISTEN_PORT 7000
#define LAN_PEER_PORT 7001
#define LAN_LINE 51
#define LAN_PERIOD_MS 5

struct conversation {
  int fd;
  uint64_t sent, received, errors;
  char in[LAN_LINE + 1], out[LAN_LINE + 1];
  size_t in_used, out_left;
};

static void lan_error(const char *what, const struct conversation *c) {
  atomic_fetch_add(&work_done.errors, 1);
  printf("lan: %s after %" PRIu64 " lines: %s\n", what, c->received, strerror(errno));
}

/* Checks the lines that have come; false at the end of the connection. */
static bool lan_listen(struct conversation *c) {
  for (;;) {
    const ssize_t got = recv(c->fd, c->in + c->in_used, LAN_LINE - c->in_used, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got < 0) lan_error("the connection broke", c);
    if (got <= 0) return false;
    c->in_used += (size_t)got;
    if (c->in_used < LAN_LINE) continue;
    c->in_used = 0;
    c->in[LAN_LINE] = '\0';
    if (strtoull(c->in, NULL, 16) == c->received) {
      atomic_fetch_add(&work_done.verified, 1);
    } else {
      c->errors++;
      errno = 0;
      lan_error("a wrong line", c);
    }
    c->received++;
  }
}

/* Says the next line, or the rest of the last one; false when nobody listens any more. */
static bool lan_say(struct conversation *c, int flags) {
  if (c->out_left == 0) {
    snprintf(c->out, sizeof c->out, "%016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", c->sent++, c->received, c->errors);
    c->out_left = LAN_LINE;
  }
  const ssize_t done = send(c->fd, c->out + LAN_LINE - c->out_left, c->out_left, flags | MSG_NOSIGNAL);
  if (done < 0) return errno == EAGAIN || errno == EINTR;
  c->out_left -= (size_t)done;
  return true;
}

static void lan_converse(int fd) {
  struct conversation c = {.fd = fd};
  bool open = true;
  while (open) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    poll(&polled, 1, LAN_PERIOD_MS);
    open = lan_listen(&c) && lan_say(&c, MSG_DONTWAIT);
  }
  while (c.out_left > 0 && lan_say(&c, 0)) continue;
  lan_say(&c, 0);
  printf("lan: a connection has ended: %" PRIu64 " lines sent, %" PRIu64 " received, %" PRIu64 " wrong\n", c.sent, c.received,
         c.errors);
  close(fd);
}

static void *lan_conversation_thread(void *fd) {
  lan_converse((int)(intptr_t)fd);
  return NULL;
}

static void *lan_listen_thread(void *unused) {
  (void)unused;
  const struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(LAN_LISTEN_PORT)};
  const int on = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listening, (const struct sockaddr *)&own, sizeof own) != 0 || listen(listening, 8) != 0) perror("lan: listen");
  for (;;) {
    pthread_t thread;
    const int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) sleep(1);
    else if (pthread_create(&thread, NULL, lan_conversation_thread, (void *)(intptr_t)fd) == 0) pthread_detach(thread);
  }
  return NULL;
}

static void *lan_call_thread(void *peer) {
  struct sockaddr_in other = {.sin_family = AF_INET, .sin_port = htons(LAN_PEER_PORT)};
  inet_pton(AF_INET, peer, &other.sin_addr);
  for (;;) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&other, sizeof other) == 0) {
      lan_converse(fd);
    } else {
      close(fd);
    }
    usleep(200000);
  }
  return NULL;
}

static void lan_interface(const char *name, const char *address) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {0};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  struct sockaddr_in *value = (struct sockaddr_in *)&request.ifr_addr;
  value->sin_family = AF_INET;
  inet_pton(AF_INET, address, &value->sin_addr);
  if (ioctl(fd, SIOCSIFADDR, &request) != 0) perror(name);
  inet_pton(AF_INET, "255.255.255.0", &value->sin_addr);
  if (ioctl(fd, SIOCSIFNETMASK, &request) != 0) perror(name);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) perror(name);
  close(fd);
}

static void lan_start_sshd(void) {
  char *const arguments[] = {"/usr/sbin/sshd", "-D", "-e", NULL};
  char *const environment[] = {"PATH=/usr/bin", NULL};
  if (access(arguments[0], X_OK) != 0 || fork() != 0) return;
  mkdir("/run", 0755);
  mkdir("/run/sshd", 0755);
  execve(arguments[0], arguments, environment);
  perror(arguments[0]);
  _exit(127);
}

/* Both must stay as they are while the guest lives; an empty one is none. */
static void lan_start(const char *address, char *peer) {
  pthread_t thread;
  if (*address == '\0') return;
  lan_interface("lo", "127.0.0.1");
  lan_interface("eth0", address);
  lan_start_sshd();
  if (pthread_create(&thread, NULL, lan_listen_thread, NULL) != 0) perror("lan");
  if (*peer != '\0' && pthread_create(&thread, NULL, lan_call_thread, peer) != 0) perror("lan");
}

#endif
