/*
 * PID 1 of the lab's guests: a real Linux guest whose only program keeps a heartbeat and does verifiable
 * work. Kernel command line: role=tiny|disk|busy|probe name=NAME, beat=steady for 1 kHz at any cost (heartbeat.h), and for a
 * network address=A.B.C.D peer=A.B.C.D (lan.h).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "boot.h"
#include "busy.h"
#include "channels.h"
#include "disk.h"
#include "heartbeat.h"
#include "lan.h"

static void power_off(void) {
  sync();
  umount2(DISK_MOUNT, MNT_DETACH);
  sync();
  reboot(RB_POWER_OFF);
}

/* Waits for the ACPI power button, which is how a host asks a guest to end. */
static void *power_button_thread(void *unused) {
  (void)unused;
  int fds[8], count = 0;
  char path[64];
  for (int i = 0; i < 8; i++) {
    snprintf(path, sizeof path, "/dev/input/event%d", i);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) fds[count++] = fd;
  }
  struct pollfd polled[8];
  for (int i = 0; i < count; i++) polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
  while (count > 0 && poll(polled, (nfds_t)count, -1) > 0) {
    for (int i = 0; i < count; i++) {
      struct input_event event;
      if ((polled[i].revents & POLLIN) == 0) continue;
      if (read(polled[i].fd, &event, sizeof event) != (ssize_t)sizeof event) continue;
      if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) {
        puts("the power button was pressed");
        power_off();
      }
    }
  }
  return NULL;
}

#define TINY_PAGES 1024
#define TINY_PAUSE_US 50000

static void *role_thread(void *role) {
  if (strcmp(role, "busy") == 0) busy_run();
  if (strcmp(role, "disk") == 0) disk_run();
  /* A guest that mostly sleeps, and still notices when its memory is not what it was. */
  if (strcmp(role, "tiny") == 0) busy_rewrite(TINY_PAGES, TINY_PAUSE_US);
  return NULL;
}

/* What a host of VMs needs of its processor: AMD's or Intel's virtualization. */
static int has_nested_kvm(void) {
  FILE *file = fopen("/proc/cpuinfo", "re");
  char line[8192];
  int found = 0;
  while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
    found = strncmp(line, "flags", 5) == 0 && (strstr(line, " svm") != NULL || strstr(line, " vmx") != NULL);
  if (file != NULL) fclose(file);
  return found;
}

int main(void) {
  char cmdline[4096], role[16], name[32], beat[16], boot_id[40], address[16], peer[16];
  mount_all();
  read_line("/proc/cmdline", cmdline, sizeof cmdline);
  argument(cmdline, "role", "tiny", role, sizeof role);
  argument(cmdline, "name", role, name, sizeof name);
  argument(cmdline, "beat", "", beat, sizeof beat);
  argument(cmdline, "address", "", address, sizeof address);
  argument(cmdline, "peer", "", peer, sizeof peer);
  if (strcmp(role, "probe") == 0) {
    puts("EXUVIA-PROBE-OK");
    if (has_nested_kvm()) puts("EXUVIA-PROBE-NESTED");
    power_off();
  }
  read_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id);
  keep_pages_in_place();
  load_modules();
  if (heartbeat_start(name, boot_id, strcmp(beat, "steady") == 0) != 0) perror("heartbeat");
  start_guest_agent();
  start_chrony();
  printf("%s: role %s, boot id %s\n", name, role, boot_id);
  lan_start(address, peer);
  pthread_t thread;
  if (pthread_create(&thread, NULL, role_thread, role) != 0) perror("role");
  if (pthread_create(&thread, NULL, power_button_thread, NULL) != 0) perror("power button");
  if (pthread_create(&thread, NULL, vsock_thread, name) != 0) perror("vsock");
  for (uint64_t before = 0;;) {
    sleep(10);
    const uint64_t sequence = heartbeat_page == NULL ? 0 : heartbeat_page->sequence;
    printf("%s: %lu beats a second, verified %lu, written %lu, errors %lu\n", name, (sequence - before) / 10,
           atomic_load(&work_done.verified), atomic_load(&work_done.written), atomic_load(&work_done.errors));
    before = sequence;
  }
}
