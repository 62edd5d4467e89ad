/*
 * The control channel: a virtio-serial port on which the host asks for shell commands.
 *
 *   host                                guest
 *    | <------------------ ready RELEASE  | once, when the port is open
 *    | ID HEX(command) -----------------> | any number at once
 *    | <----- ID EXIT-STATUS HEX(output)  | when the command has ended; output is stdout and stderr
 *
 * What a command leaves in the background goes on; its later output is lost.
 */
#ifndef EXUVIA_CONTROL_H
#define EXUVIA_CONTROL_H

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL_PORT "/dev/vport0p1"
#define CONTROL_LINE_BYTES (1u << 20)

static int control_fd = -1;
static pthread_mutex_t control_lock = PTHREAD_MUTEX_INITIALIZER;

static void control_write(const char *text, size_t length) {
  pthread_mutex_lock(&control_lock);
  while (length > 0) {
    const ssize_t written = write(control_fd, text, length);
    if (written < 0) {
      usleep(1000);
      continue;
    }
    text += written;
    length -= (size_t)written;
  }
  pthread_mutex_unlock(&control_lock);
}

static void control_answer(const char *id, int status, int output) {
  struct stat found = {0};
  fstat(output, &found);
  char *line = malloc((size_t)found.st_size * 2 + strlen(id) + 32);
  unsigned char *bytes = malloc((size_t)found.st_size + 1);
  if (line == NULL || bytes == NULL) abort();
  const ssize_t got = pread(output, bytes, (size_t)found.st_size, 0);
  int at = sprintf(line, "%s %d ", id, status);
  for (ssize_t i = 0; i < got; i++) at += sprintf(line + at, "%02x", bytes[i]);
  line[at++] = '\n';
  control_write(line, (size_t)at);
  free(line);
  free(bytes);
}

static int control_execute(const char *command, int output) {
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(output, 1);
    dup2(output, 2);
    setsid();
    execl("/bin/sh", "sh", "-c", command, NULL);
    _exit(127);
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return 255;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Carries out one request, `ID HEX`, and frees it. */
static void *control_request(void *request) {
  char *id = request, *hex = strchr(id, ' ');
  if (hex != NULL) {
    *hex++ = '\0';
    unsigned byte;
    char *command = hex;
    size_t length = 0;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2) command[length++] = (char)byte;
    command[length] = '\0';
    const int output = memfd_create("output", MFD_CLOEXEC);
    const int status = control_execute(command, output);
    control_answer(id, status, output);
    close(output);
  }
  free(request);
  return NULL;
}

static void control_start_request(char *line) {
  pthread_t thread;
  char *request = strdup(line);
  if (request == NULL || pthread_create(&thread, NULL, control_request, request) != 0) {
    perror("control: request");
    free(request);
    return;
  }
  pthread_detach(thread);
}

/* Serves the port for ever. */
static void control_run(void) {
  static char buffer[CONTROL_LINE_BYTES];
  while ((control_fd = open(CONTROL_PORT, O_RDWR | O_CLOEXEC)) < 0) usleep(1000);
  struct utsname name;
  uname(&name);
  char greeting[sizeof name.release + 8];
  control_write(greeting, (size_t)snprintf(greeting, sizeof greeting, "ready %s\n", name.release));
  for (size_t held = 0;;) {
    const ssize_t got = read(control_fd, buffer + held, sizeof buffer - held);
    if (got <= 0) {
      /* Nobody is connected at the other end. */
      usleep(1000);
      continue;
    }
    held += (size_t)got;
    char *end;
    while ((end = memchr(buffer, '\n', held)) != NULL) {
      *end++ = '\0';
      control_start_request(buffer);
      held -= (size_t)(end - buffer);
      memmove(buffer, end, held);
    }
    if (held == sizeof buffer) held = 0;
  }
}

#endif
