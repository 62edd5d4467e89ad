/*
 * Process 1 of the guests whose kernels are patched in tests: heartbeat, control channel, load programs.
 * Kernel command line: name=NAME, watch=FILE. Called under another name it is that load program. A watched
 * file's first line is printed whenever it has changed: for guests without a control channel.
 *
 * Besides the heartbeat of 1 kHz a finer one can be had: `finebeat CPU` makes a thread of process 1 count
 * without rest on that CPU, at byte FINEBEAT_OFFSET of the heartbeat page. Whoever reads the page from
 * outside sees every pause of the guest down to the microsecond.
 */
#include <libgen.h>
#include <sched.h>
#include <signal.h>
#include <sys/reboot.h>

#include "boot.h"
#include "control.h"
#include "programs.h"
#include "triggers.h"
#include "work.h"

#define FINEBEAT_OFFSET 2048
#define FINEBEAT_FIFO "/run/finebeat"
#define PLACE_FILE "/run/heartbeat-address"
#define FORWARD_US 10000

/* Sums the load programs' counts into the heartbeat. */
static void *forward_work(void *unused) {
  (void)unused;
  for (struct work_page *work = work_open();; usleep(FORWARD_US)) {
    atomic_store(&work_done.verified, atomic_load(&work->verified));
    atomic_store(&work_done.errors, atomic_load(&work->errors));
    atomic_store(&work_done.written, atomic_load(&work->written));
  }
  return NULL;
}

static void *count_without_rest(void *cpu) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)(uintptr_t)cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
  volatile uint64_t *beats = (volatile uint64_t *)((char *)heartbeat_page + FINEBEAT_OFFSET);
  for (uint64_t beat = *beats;;) *beats = ++beat;
  return NULL;
}

/* Starts a fine heartbeat for every CPU number that is written to the FIFO; the last one counts. */
static void *finebeat_server(void *unused) {
  (void)unused;
  int cpu;
  static pthread_t thread;
  for (mkfifo(FINEBEAT_FIFO, 0600);;) {
    FILE *fifo = fopen(FINEBEAT_FIFO, "re");
    if (fifo == NULL) return NULL;
    while (fscanf(fifo, "%d", &cpu) == 1) {
      if (thread != 0) pthread_cancel(thread);
      thread = 0;
      if (cpu < 0) continue;
      pthread_create(&thread, NULL, count_without_rest, (void *)(uintptr_t)cpu);
    }
    fclose(fifo);
  }
}

/* Writes down the guest-physical address of the heartbeat page (proc_pid_pagemap(5)). */
static void tell_place(void) {
  uint64_t entry = 0;
  char text[32];
  const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  const off_t at = (off_t)((uintptr_t)heartbeat_page / PAGE_BYTES * sizeof entry);
  if (pread(fd, &entry, sizeof entry, at) != sizeof entry) perror("pagemap");
  close(fd);
  snprintf(text, sizeof text, "%llu\n", (entry & ((1ull << 55) - 1)) * PAGE_BYTES);
  close(open(PLACE_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  write_text(PLACE_FILE, text);
}

#define WATCH_US 100000

static void *watch_file(void *unused) {
  (void)unused;
  char cmdline[4096], path[128], before[256] = "", now[256];
  read_line("/proc/cmdline", cmdline, sizeof cmdline);
  argument(cmdline, "watch", "", path, sizeof path);
  for (; path[0] != '\0'; usleep(WATCH_US)) {
    read_line(path, now, sizeof now);
    if (strcmp(now, before) != 0) printf("watch: %s\n", now);
    strcpy(before, now);
  }
  return NULL;
}

static void start(void *(*run)(void *)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, NULL) != 0) perror("pthread_create");
}

/* Process 1 itself only buries orphans; everything else happens in a child, which must not end. */
static void bury_orphans(void) {
  const pid_t child = fork();
  if (child == 0) return;
  while (waitpid(-1, NULL, 0) != child) continue;
  puts("the control process has ended");
  reboot(RB_POWER_OFF);
}

static int process_one(void) {
  char cmdline[4096], name[32], boot_id[40];
  mount_all();
  mkdir("/run", 0755);
  mount("tmpfs", "/run", "tmpfs", 0, NULL);
  bury_orphans();
  setenv("PATH", "/bin", 1);
  read_line("/proc/cmdline", cmdline, sizeof cmdline);
  argument(cmdline, "name", "kernel-guest", name, sizeof name);
  read_line("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id);
  keep_pages_in_place();
  load_modules();
  if (heartbeat_start(name, boot_id, true) != 0) perror("heartbeat");
  /* A fork would make it copy-on-write: the next beat would move it. */
  if (madvise(heartbeat_page, PAGE_BYTES, MADV_DONTFORK) != 0) perror("madvise");
  tell_place();
  start(forward_work);
  start(finebeat_server);
  start(watch_file);
  control_run();
  return 1;
}

int main(int argc, char **argv) {
  if (getpid() == 1) return process_one();
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char *name = basename(argv[0]);
  if (strcmp(name, "hammer") == 0) return hammer(argc, argv);
  if (strcmp(name, "callloop") == 0) return callloop(argc, argv);
  if (strcmp(name, "sleeper") == 0) return sleeper();
  if (strcmp(name, "diskwriter") == 0) return diskwriter();
  if (strcmp(name, "statmask") == 0) return statmask(argc, argv);
  if (strcmp(name, "timens") == 0) return timens(argc, argv);
  if (strcmp(name, "routes") == 0) return routes(argc);
  if (strcmp(name, "insert") == 0) return insert(argc, argv);
  if (strcmp(name, "kexec") == 0) return kexec(argc, argv);
  fprintf(stderr, "There is no program %s.\n", name);
  return 127;
}
