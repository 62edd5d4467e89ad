/* The agent's side of the pipe. */
#ifndef EXUVIA_AGENT_H
#define EXUVIA_AGENT_H

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "tell.h"

static const char *holds[16]; /* steps after which to wait (fault injection) */
static size_t hold_count;

/* Reads what the agent wrote; `continue_for`: wait until told to go on past that step (or `go` for "go"). */
static void listen_to_agent(const char *continue_for) {
  static char buffer[256];
  static size_t used;
  static bool ended;
  while (!ended) {
    char *end;
    while ((end = memchr(buffer, '\n', used))) {
      *end = 0;
      bool released = continue_for && (strcmp(buffer, continue_for) == 0);
      if (strcmp(buffer, "abort") == 0) abort_asked = true;
      size_t length = (size_t)(end + 1 - buffer);
      memmove(buffer, end + 1, used - length);
      used -= length;
      if (released) return;
      if (abort_asked) return;
    }
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&fd, 1, continue_for ? -1 : 0) <= 0) return;
    ssize_t n = used < sizeof buffer ? read(STDIN_FILENO, buffer + used, sizeof buffer - used) : -1;
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) ended = true;
    else used += (size_t)n;
  }
  abort_asked = true; /* the agent is gone */
}

static void hold_if_asked(const char *step) {
  for (size_t i = 0; i < hold_count; i++)
    if (strcmp(holds[i], step) == 0) {
      char release[128];
      snprintf(release, sizeof release, "continue %s", step);
      say("held %s", step);
      listen_to_agent(release);
    }
}

#endif
