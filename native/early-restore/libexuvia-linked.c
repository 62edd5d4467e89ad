/*
 * libexuvia-linked.so: preloaded into a QEMU, stops it where the loader has linked it and none of its own code has run. There
 * it waits for what exuvia-early-restore says (linked.h), becomes the process of a VM, and begins with the arguments that
 * the plan has for it.
 *
 * Without exuvia-early-restore at the other end of descriptor 3 it changes nothing.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "crc32.h"
#include "linked.h"
#include "log.h"
#include "plan.h"
#include "qemu.h"

typedef int main_function(int, char **, char **);
/* glibc 2.34, csu/libc-start.c */
typedef int start_function(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

static char *copy_words(const char *const *words, size_t count, char **pointers, char *to) {
  for (size_t i = 0; i < count; i++) {
    pointers[i] = to;
    to = stpcpy(to, words[i]) + 1;
  }
  pointers[count] = NULL;
  return to;
}

static size_t bytes_of(const char *const *words, size_t count) {
  size_t bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += strlen(words[i]) + 1;
  return bytes;
}

/*
 * The arguments of a VM, its environment behind them, as a program finds them on its stack. Everyone reads in /proc/PID/cmdline
 * what this process is: the kernel is told where they are. NULL: no memory.
 */
static char **arguments_of(const struct vm *vm) {
  static char *pointers[2 * MAX_WORDS + 2];
  /* Before the program's own start: the loader has prepared the C library. */
  char *text = malloc(bytes_of(vm->args, vm->arg_count) + bytes_of(vm->env, vm->env_count) + 1);
  if (!text) return NULL;
  char *middle = copy_words(vm->args, vm->arg_count, pointers, text);
  char *end = copy_words(vm->env, vm->env_count, pointers + vm->arg_count + 1, middle);
  /* Linux 6.12 kernel/sys.c, prctl_set_mm: a start may not lie behind its end, and the old ones are on the stack, above. */
  if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, text, 0, 0) < 0 || prctl(PR_SET_MM, PR_SET_MM_ARG_END, middle, 0, 0) < 0 ||
      prctl(PR_SET_MM, PR_SET_MM_ENV_START, middle, 0, 0) < 0 || prctl(PR_SET_MM, PR_SET_MM_ENV_END, end, 0, 0) < 0)
    logf_kernel("VM %s: its command line is not shown: %s", vm->name, strerror(errno));
  return pointers;
}

static bool is_linked_beforehand(void) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(LINKED_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* Ends, or returns when the VM is to run: with its arguments. */
static int become_vm(char ***arguments) {
  crc32_prepare();
  if (!read_plan("/plan")) {
    logf_kernel("%s", plan_error);
    _exit(71);
  }
  const struct vm *vm = await_go(LINKED_CONTROL_FD);
  *arguments = arguments_of(vm);
  if (!*arguments) _exit(71);
  if (kernel_log >= 0) close(kernel_log);
  take_files(vm, LINKED_QMP_FD);
  return (int)vm->arg_count;
}

int __libc_start_main(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);
int __libc_start_main(main_function *program, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end) {
  start_function *start = (start_function *)dlsym(RTLD_NEXT, "__libc_start_main");
  if (is_linked_beforehand()) argc = become_vm(&argv);
  return start(program, argc, argv, init, fini, rtld_fini, stack_end);
}
