/* Programs that show the defects which real fixes of Debian's kernels remove, and loads on those functions. */
#ifndef EXUVIA_TRIGGERS_H
#define EXUVIA_TRIGGERS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "work.h"

/* statmask FILE [loop]: prints statx(2)'s attributes_mask; or calls it for ever and counts. */
static int statmask(int argc, char **argv) {
  struct statx found;
  struct work_page *work = work_open();
  const char *path = argc > 1 ? argv[1] : "/";
  do {
    if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &found) != 0 || !S_ISDIR(found.stx_mode)) {
      perror("statx");
      atomic_fetch_add(&work->errors, 1);
      return 1;
    }
    atomic_fetch_add(&work->verified, 1);
  } while (argc > 2);
  printf("%#llx\n", (unsigned long long)found.stx_attributes_mask);
  return 0;
}

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* timens NANOSECONDS: sets a time namespace's offset; prints the error's name, or "accepted". */
static int timens(int argc, char **argv) {
  char text[64];
  const int length = snprintf(text, sizeof text, "monotonic 0 %s\n", argc > 1 ? argv[1] : "0");
  if (unshare(CLONE_NEWTIME) != 0) {
    perror("unshare");
    return 1;
  }
  const int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
  const ssize_t written = write(fd, text, (size_t)length);
  puts(written == length ? "accepted" : strerrorname_np(errno));
  return 0;
}

struct route_request {
  struct nlmsghdr header;
  struct rtmsg route;
  char attributes[128];
};

static void *route_attribute(struct route_request *request, unsigned short type, const void *data, size_t size) {
  struct rtattr *attribute = (void *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = (unsigned short)RTA_LENGTH(size);
  if (data != NULL) memcpy(RTA_DATA(attribute), data, size);
  request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
  return RTA_DATA(attribute);
}

/* Adds or deletes the route 10.9.0.0/16 over two next hops on the loopback device; 0 or -errno. */
static int route_change(int fd, unsigned short type, unsigned index) {
  struct route_request request = {
      .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                 .nlmsg_type = type,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (type == RTM_NEWROUTE ? NLM_F_CREATE : 0)},
      .route = {.rtm_family = AF_INET, .rtm_dst_len = 16, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST,
                .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_LINK}};
  const unsigned char destination[4] = {10, 9, 0, 0};
  route_attribute(&request, RTA_DST, destination, sizeof destination);
  struct rtnexthop *hops = route_attribute(&request, RTA_MULTIPATH, NULL, 2 * sizeof *hops);
  for (unsigned char i = 0; i < 2; i++)
    hops[i] = (struct rtnexthop){.rtnh_len = sizeof *hops, .rtnh_hops = i, .rtnh_ifindex = (int)index};
  struct {
    struct nlmsghdr header;
    struct nlmsgerr error;
    char rest[256];
  } answer;
  if (send(fd, &request, request.header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0) return -errno;
  return answer.error.error;
}

/* routes [loop]: adds and deletes a multipath route, once or for ever, and counts. */
static int routes(int argc) {
  struct work_page *work = work_open();
  struct ifreq interface = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  const int inet = socket(AF_INET, SOCK_DGRAM, 0);
  const int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (ioctl(inet, SIOCSIFFLAGS, &interface) != 0) perror("lo");
  const unsigned index = if_nametoindex("lo");
  do {
    for (unsigned short type = RTM_NEWROUTE; type <= RTM_DELROUTE; type++) {
      const int error = route_change(fd, type, index);
      if (error == 0) continue;
      printf("routes: %s: %s\n", type == RTM_NEWROUTE ? "add" : "delete", strerror(-error));
      atomic_fetch_add(&work->errors, 1);
      return 1;
    }
    atomic_fetch_add(&work->verified, 1);
  } while (argc > 1);
  puts("added and deleted");
  return 0;
}

#endif
