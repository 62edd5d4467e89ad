/*
 * exuvia-early-restore: process 1 of the initramfs that the jump boots.
 *
 * Brings back the VMs before anything else: loads the few modules that they need, mounts the host's root file
 * system and the store, makes their bridges, starts every QEMU in its final cgroup from the plan (/plan, see plan.h), leads all of
 * them to the running guest, and becomes the host's ordinary init, which then boots under running VMs. What
 * happened, with TSC stamps, lies in /run/exuvia/restore for the agent.
 *
 *   init-start  modules ------- mounts -- qemu-exec ---- qemu-ready -- restored -- resumed   init-exec
 *   | kernel st.|        userland startup      | QEMU startup | VM restore | VM resume |
 *
 * A VM that cannot be restored does not hold up the others; its memory and state stay in the store. When none
 * can, or there is no root file system, the machine goes back to the kernel that it came from (fallback.h).
 */
#include "awake.h"
#include "cpus.h"
#include "devices.h"
#include "disks.h"
#include "fallback.h"
#include "fault.h"
#include "log.h"
#include "network.h"
#include "plan.h"
#include "vm.h"
#include "watchdog.h"

/* Without a root file system the store can still be there, and in it the way back. */
static void mount_store_only(int events) {
  for (size_t i = 1; i < mount_count; i++) {
    if (!mounts[i].by_label) continue;
    make_directories(mounts[i].path);
    mount_file_system(&mounts[i], events);
  }
}

static void mount_kernel_file_systems(void) {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mkdir("/dev", 0755);
  mkdir(SYSROOT, 0755);
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
  mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
}

/* As an initrd hands them over: systemd keeps what is mounted already (systemd 257, src/shared/mount-setup.c). */
static void move_into_sysroot(void) {
  mount("/dev", SYSROOT "/dev", NULL, MS_MOVE, NULL);
  mount("/proc", SYSROOT "/proc", NULL, MS_MOVE, NULL);
  mount("/sys", SYSROOT "/sys", NULL, MS_MOVE, NULL);
  mount("cgroup2", SYSROOT "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NOEXEC | MS_NODEV,
        "nsdelegate,memory_recursiveprot");
  mount("tmpfs", SYSROOT "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=0755,size=20%,nr_inodes=800k");
}

/* Looks, in a process of its own, for the host's init: guests that run need a userland under them. */
static pid_t start_looking_for_init(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(chroot(SYSROOT) == 0 && chdir("/") == 0 && access(init_program, X_OK) == 0 ? 0 : 1);
  return pid;
}

static bool found_init(pid_t looking) {
  int status = 0;
  return looking < 0 || waitpid(looking, &status, 0) != looking || status == 0;
}

static void save_record(void) {
  make_directories("/run/exuvia/restore");
  int fd = open(SYSROOT "/run/exuvia/restore/record", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  write_fully(fd, record->text, record->used < sizeof record->text ? record->used : sizeof record->text);
  close(fd);
}

static void become_init(void) {
  unlink("/plan"); /* of the initramfs, which stays in memory for ever; afterwards this name is the host's */
  if (chdir(SYSROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
    reset_machine("the root file system could not be switched to");
  char *const arguments[] = {(char *)init_program, NULL};
  execv(init_program, arguments);
  reset_machine("the host's init could not be started");
}

/* `exuvia-early-restore --check PLAN`: whether it would carry this plan out. Touches nothing. */
static int check_plan(const char *path) {
  crc32_prepare();
  if (read_plan(path)) return 0;
  fprintf(stderr, "%s\n", plan_error);
  return 2;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "--check") == 0) return check_plan(argv[2]);
  if (getpid() != 1) {
    fprintf(stderr, "exuvia-early-restore is process 1 of an initramfs; elsewhere only: --check PLAN\n");
    return 2;
  }
  uint64_t tsc = tsc_now(), ns = clock_ns(CLOCK_MONOTONIC), raw = clock_ns(CLOCK_MONOTONIC_RAW);
  if (!open_record()) reset_machine("no memory");
  crc32_prepare();
  note("clock %llu %llu\n", (unsigned long long)tsc, (unsigned long long)raw);
  note("kernel-ns %llu\n", (unsigned long long)ns);
  stamp("init-start", "-");
  mount_kernel_file_systems();
  logf_kernel("restoring virtual machines");
  if (!read_plan("/plan")) reset_machine(plan_error);
  if (in_initramfs) fall_back("the kernel before has crashed");
  guardian = start_guardian();
  fault_at("start");
  int events = listen_for_devices();
  const pid_t awake = keep_cpus_awake();
  struct loader loaders[16];
  size_t loader_count = start_loading(loaders, sizeof loaders / sizeof loaders[0]);
  for (size_t i = 0; i < mount_count; i++) {
    /* Below a file system that may not be there: the way back lies in the store. */
    if (mounts[i].by_label) make_directories(mounts[i].path);
    const bool mounted = mount_file_system(&mounts[i], events);
    if (!mounted && i == 0) {
      mount_store_only(events);
      fall_back("no root file system");
    }
    if (!mounted && mounts[i].by_label && vm_count > 0 && image_count > 0) fall_back("no store");
    if (mounted) stamp("mounted", mounts[i].path);
  }
  for (size_t i = 0; i < device_count; i++) name_disk(&devices[i], events);
  move_into_sysroot();
  const pid_t looking = start_looking_for_init();
  prepare_vms();
  /* What disks need was there when the file systems were mounted and their names given. */
  for (size_t i = 0; i < loader_count; i++)
    if (strcmp(loaders[i].group, VM_GROUP) == 0) waitpid(loaders[i].pid, NULL, 0);
  let_cpus_sleep(awake);
  stamp("modules-loaded", "-");
  make_bridges();
  pid_t connecting = start_connecting();
  fault_at("restore");
  if (!found_init(looking) && vm_count > 0) fall_back("the host's init is not there");
  start_vms();
  start_joining();
  if (!restore_vms() && image_count > 0) fall_back("no VM could be restored");
  end_joining();
  stop_guardian(guardian);
  stop_watchdog();
  end_connecting(connecting);
  fault_at("resumed");
  stamp("init-exec", "-");
  logf_kernel("virtual machines done, starting %s", init_program);
  save_record();
  become_init();
}
