/* Process 1 of a machine in which exuvia-early-restore's own network.h carries out a plan; says what has come of it. */
#include <sys/reboot.h>
#include <termios.h>

#include "devices.h"
#include "fallback.h"
#include "network.h"
#include "plan.h"
#include "vm.h"

static void show(const char *interface, const char *what) {
  char path[128], value[64] = "-";
  snprintf(path, sizeof path, "/sys/class/net/%s/%s", interface, what);
  int fd = open(path, O_RDONLY);
  ssize_t n = fd < 0 ? -1 : read(fd, value, sizeof value - 1);
  if (n > 0) value[n - 1] = 0;
  printf(" %s=%s", what, n > 0 ? value : "-");
  if (fd >= 0) close(fd);
}

int main(void) {
  mkdir("/proc", 0755);
  mkdir("/dev", 0755);
  mkdir("/sys", 0755);
  mkdir(SYSROOT, 0755);
  mkdir(SYSROOT "/sys", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("sysfs", SYSROOT "/sys", "sysfs", 0, NULL);
  dup2(open("/dev/console", O_RDWR), STDOUT_FILENO);
  setvbuf(stdout, NULL, _IOLBF, 0);
  crc32_prepare();
  struct loader loaders[4];
  if (!open_record() || !read_plan("/plan")) printf("%s\n", plan_error);
  for (size_t left = start_loading(loaders, 4); left > 0; left--) waitpid(loaders[left - 1].pid, NULL, 0);
  make_bridges();
  pid_t connecting = start_connecting();
  if (!open_tap(&vms[0].taps[0], tell_log)) perror("tap");
  end_connecting(connecting);
  struct if_nameindex *all = if_nameindex();
  for (struct if_nameindex *one = all; one->if_index; one++) {
    printf("%s", one->if_name);
    show(one->if_name, "address");
    show(one->if_name, "mtu");
    show(one->if_name, "carrier");
    show(one->if_name, "brport/state");
    show(one->if_name, "bridge/forward_delay");
    printf("\n");
  }
  tcdrain(STDOUT_FILENO); /* a machine that is off sends nothing more */
  reboot(RB_POWER_OFF);
}
