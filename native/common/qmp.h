/*
 * The little of QMP that the pause and the restore speak: whole commands out, one JSON object a line in.
 *
 *   QEMU                         us
 *    | greeting ------------------> |
 *    | <-------- qmp_capabilities   |
 *    | return --------------------> |
 *    | <-- command with "id":"N"    |
 *    | return or error, "id":"N" -> |   events may come in between at any time
 *
 * Not a JSON parser: QEMU is asked only for replies in which a member can be found by its name. Lines
 * longer than the buffer make the connection fail; they never overrun it.
 */
#ifndef EXUVIA_QMP_H
#define EXUVIA_QMP_H

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "text.h"

#define QMP_LINE 16384

struct qmp {
  int fd;
  size_t used;
  char buffer[QMP_LINE];
  char line[QMP_LINE];
};

static inline int qmp_connect(struct qmp *q, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  q->used = 0;
  q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (q->fd < 0) return -1;
  if (connect(q->fd, (struct sockaddr *)&address, sizeof address) == 0) return 0;
  int saved = errno;
  close(q->fd);
  q->fd = -1;
  errno = saved;
  return -1;
}

/* In one write, so that a command which could not be sent has not been executed either. */
static inline int qmp_send(struct qmp *q, const char *json) {
  struct iovec parts[] = {{(void *)json, strlen(json)}, {"\r\n", 2}};
  ssize_t n;
  do n = writev(q->fd, parts, 2);
  while (n < 0 && errno == EINTR);
  return n == (ssize_t)(parts[0].iov_len + parts[1].iov_len) ? 0 : -1;
}

/* Takes the next complete line out of the buffer into q->line; false when there is none yet. */
static inline bool qmp_take_line(struct qmp *q) {
  char *end = memchr(q->buffer, '\n', q->used);
  if (!end) return false;
  size_t length = (size_t)(end - q->buffer);
  memcpy(q->line, q->buffer, length);
  if (length > 0 && q->line[length - 1] == '\r') length--;
  q->line[length] = 0;
  size_t rest = q->used - (size_t)(end + 1 - q->buffer);
  memmove(q->buffer, end + 1, rest);
  q->used = rest;
  return true;
}

/* Reads what is there (call after poll): 0 closed, -1 error or a line too long, else the bytes read. */
static inline ssize_t qmp_receive(struct qmp *q) {
  if (q->used == sizeof q->buffer) {
    errno = EMSGSIZE;
    return -1;
  }
  ssize_t n;
  do n = read(q->fd, q->buffer + q->used, sizeof q->buffer - q->used);
  while (n < 0 && errno == EINTR);
  if (n > 0) q->used += (size_t)n;
  return n;
}

/* The value that follows "name": in the line; NULL without it. */
static inline const char *qmp_member(const char *line, const char *name) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\"", name);
  for (const char *p = strstr(line, quoted); p; p = strstr(p + 1, quoted)) {
    const char *v = p + strlen(quoted);
    while (isspace((unsigned char)*v)) v++;
    if (*v++ != ':') continue;
    while (isspace((unsigned char)*v)) v++;
    return v;
  }
  return NULL;
}

static inline bool qmp_member_is(const char *line, const char *name, const char *text) {
  const char *v = qmp_member(line, name);
  size_t length = strlen(text);
  return v && *v == '"' && strncmp(v + 1, text, length) == 0 && v[1 + length] == '"';
}

/* Copies a string member's text (escapes left as they are). */
static inline void qmp_member_copy(const char *line, const char *name, char *to, size_t size) {
  const char *v = qmp_member(line, name);
  size_t n = 0;
  if (v && *v == '"')
    for (v++; *v && *v != '"' && n + 1 < size; v++) {
      to[n++] = *v;
      if (*v == '\\' && v[1] && n + 1 < size) to[n++] = *++v;
    }
  to[n] = 0;
}

#endif
