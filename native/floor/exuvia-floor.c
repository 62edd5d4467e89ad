/*
 * exuvia-floor: what a bare kexec costs on this machine; the benchmark's yardstick.
 *
 *   exuvia-floor --jump   in the old kernel, with a kernel loaded: prints `floor-jump TSC` on the console, jumps
 *   as process 1          in the new kernel: prints `floor-init TSC` on the console, resets the machine
 *
 * Nothing lies between the two stamps but the kernels.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/reboot.h>

#include "clock.h"

static void print_stamp(const char *name, uint64_t tsc) {
  char line[64];
  int n = snprintf(line, sizeof line, "\n%s %llu\n", name, (unsigned long long)tsc);
  int fd = open("/dev/console", O_WRONLY | O_NOCTTY);
  if (fd < 0) return;
  (void)!write(fd, line, (size_t)n);
  close(fd);
}

static int jump(void) {
  sync();
  print_stamp("floor-jump", tsc_now());
  syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
  fprintf(stderr, "exuvia-floor: the kernel refused the jump: %s\n", strerror(errno));
  return 1;
}

int main(int argc, char **argv) {
  uint64_t now = tsc_now();
  if (argc == 2 && strcmp(argv[1], "--jump") == 0) return jump();
  if (getpid() != 1) {
    fprintf(stderr, "usage: exuvia-floor --jump\n");
    return 2;
  }
  mkdir("/dev", 0755);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  print_stamp("floor-init", now);
  sleep(1); /* lets the serial line drain before the reset */
  reboot(RB_AUTOBOOT);
  for (;;) pause();
}
