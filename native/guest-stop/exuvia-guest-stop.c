/*
 * exuvia-guest-stop
 *
 * Carries out stops of a VM through its QEMU's gdbstub whose every decision is known beforehand: looks, compares,
 * and writes or leaves everything as it is. `exuvia guest` starts it with the gdbstub's connection as descriptor 3
 * and gives it one stop after the other on its standard input, a directive a line:
 *
 *   look COUNT TEXT          sent first: stops the VM; COUNT packets answer it
 *   position INDEX           answer INDEX is a processor's register file
 *   avoid START END          no processor may be between these addresses, both excluded
 *   want INDEX TEXT          answer INDEX has to be TEXT
 *   write COUNT TEXT         sent when all of that is so, in this order
 *   expect INDEX TEXT        answer INDEX of the write before has to be TEXT
 *   go
 *
 * With the last write, or instead of all writes, the VM goes on if it ran before. What came of it, in one line:
 *
 *   done | busy AVOID | changed WANT ANSWER | lost WRITE INDEX ANSWER | failed WHY
 *
 * and in another `ran` or `stood` with two times (nanoseconds of CLOCK_MONOTONIC): asked to stop, told to go on.
 * AVOID, WANT and WRITE count the directives of their kind from 0.
 *
 * If whoever started it dies, the stop at hand is finished. If it is killed itself, the connection dies with it, and
 * the process that watches over both lets the VM go on.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "text.h"

#include "gdb.h"
#include "plan.h"

#define PRIORITY 5
#define GUEST_FIRST_NS 1000000

static uint64_t asked_ns, told_ns; /* to stop, and to go on */

/* Neither we nor whoever waits for us must take a processor away from the VM in the moment when it goes on. */
static void let_the_vm_go_first(void) { nanosleep(&(struct timespec){.tv_nsec = GUEST_FIRST_NS}, NULL); }

/* Compares what the look has shown with what has to be; fills in the outcome when it is not so. */
static bool may_write(const struct plan *plan) {
  for (size_t i = 0; i < plan->avoid_count; i++)
    for (size_t j = 0; j < plan->position_count; j++) {
      uint64_t rip;
      if (!instruction_pointer(answer(plan->positions[j]), &rip)) return outcome("failed register file");
      if (rip > plan->avoids[i].start && rip < plan->avoids[i].end) return outcome("busy %zu", i);
    }
  for (size_t i = 0; i < plan->want_count; i++)
    if (strcmp(answer(plan->wants[i].index), plan->wants[i].text) != 0)
      return outcome("changed %zu %.200s", i, answer(plan->wants[i].index));
  return true;
}

/* The last write goes out in one send with what lets the VM go on: both happen or neither. */
static bool write_all(const struct plan *plan, const char *go_on) {
  for (size_t i = 0; i < plan->write_count; i++) {
    const struct write *write = &plan->writes[i];
    bool last = i + 1 == plan->write_count;
    if (!send_text(write->text, last ? go_on : "")) return false;
    if (last) {
      told_ns = now_ns();
      let_the_vm_go_first();
    }
    if (!receive(write->answers, false)) return false;
    for (size_t j = 0; j < write->expect_count; j++)
      if (strcmp(answer(write->expects[j].index), write->expects[j].text) != 0) {
        outcome("lost %zu %u %.200s", i, write->expects[j].index, answer(write->expects[j].index));
        if (!last) send_text(go_on, "");
        return false;
      }
  }
  return outcome("done");
}

static void carry_out(const struct plan *plan) {
  told_ns = 0;
  outcome_text[0] = 0;
  vm_ran = false;
  asked_ns = now_ns();
  if (!send_text(plan->look, "") || !receive(plan->look_answers, true)) return;
  die_if_asked();
  const char *go_on = vm_ran ? CONTINUE : ACKNOWLEDGE;
  if (may_write(plan) && plan->write_count > 0) {
    write_all(plan, go_on);
    return;
  }
  if (send_text(go_on, "") && outcome_text[0] == 0) outcome("done");
  told_ns = now_ns();
}

int main(int argc, char **argv) {
  if (argc != 1) {
    fprintf(stderr, "usage: exuvia-guest-stop\nStarted by exuvia guest, with a gdbstub's connection; it is not for people.\n");
    return 2;
  }
  (void)argv;
  /* Ctrl-C and a closed terminal are for whoever started this; it ends with its input. */
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  /* Without the right to any of these a stop on a busy host takes longer. */
  mlockall(MCL_CURRENT | MCL_FUTURE);
  setpriority(PRIO_PROCESS, 0, -20);
  sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &(struct sched_param){.sched_priority = PRIORITY});
  static struct plan plan;
  while (read_plan(&plan)) {
    if (plan.refused == NULL) carry_out(&plan);
    else outcome("failed %s", plan.refused);
    printf("%s\n%s %llu %llu\n", outcome_text, vm_ran ? "ran" : "stood", (unsigned long long)asked_ns,
           (unsigned long long)told_ns);
    fflush(stdout);
  }
  return 0;
}
