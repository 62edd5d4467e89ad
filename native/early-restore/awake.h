/* CPUs that do not sleep while modules are loaded. */
#ifndef EXUVIA_AWAKE_H
#define EXUVIA_AWAKE_H

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void spin_on(int cpu) {
  const struct sched_param none = {0};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) < 0 || sched_setscheduler(0, SCHED_IDLE, &none) < 0) _exit(1);
  for (volatile unsigned turns = 0;; turns++) {
  }
}

/*
 * Loading kvm interrupts every CPU some 2,000 times, and waits for each of them (Linux arch/x86/kernel/alternative.c). One that
 * sleeps has to wake up first, from a deep state of idleness or, emulated, until its thread gets a processor. So each has
 * something to do that gives way to everything else.
 */
static pid_t keep_cpus_awake(void) {
  cpu_set_t set;
  pid_t leader = fork();
  if (leader > 0) setpgid(leader, leader);
  if (leader != 0) return leader;
  setpgid(0, 0);
  if (sched_getaffinity(0, sizeof set, &set) < 0) _exit(1);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &set) && fork() == 0) spin_on(cpu);
  for (;;) pause();
}

static void let_cpus_sleep(pid_t leader) {
  if (leader <= 0) return;
  kill(-leader, SIGKILL);
  waitpid(leader, NULL, 0);
}

#endif
