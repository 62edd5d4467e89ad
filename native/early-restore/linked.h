/*
 * What exuvia-early-restore and the process of a VM say to each other before there is a QEMU, in packets: `enter`, with the
 * VM's place in the plan; back: it is in its scope; `go`, when modules, bridges and file systems are there.
 */
#ifndef EXUVIA_LINKED_H
#define EXUVIA_LINKED_H

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Descriptors of a process that is linked beforehand: this connection, and the VM's end of its QMP connection. */
#define LINKED_CONTROL_FD 3
#define LINKED_QMP_FD 4

static inline bool tell(int control, unsigned word) {
  return send(control, &word, sizeof word, MSG_NOSIGNAL) == sizeof word;
}

/* False: the other end is closed. */
static inline bool hear(int control, unsigned *word) {
  ssize_t n;
  while ((n = recv(control, word, sizeof *word, 0)) < 0 && errno == EINTR) {
  }
  return n == sizeof *word;
}

#endif
