/*
 * Reading plan files: one directive a line, words separated by single spaces, the last word may hold spaces.
 * The last line is `checksum CRC32` of all the lines before it, line breaks included.
 */
#ifndef EXUVIA_TEXT_H
#define EXUVIA_TEXT_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32.h"

/* Reads a whole file, NUL-terminated; NULL with errno set when it cannot be read or is larger than limit. */
static inline char *read_whole(const char *path, size_t limit) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NULL;
  struct stat st;
  if (fstat(fd, &st) < 0 || (size_t)st.st_size > limit) {
    int saved = errno ? errno : EFBIG;
    close(fd);
    errno = saved;
    return NULL;
  }
  size_t size = (size_t)st.st_size, have = 0;
  char *text = malloc(size + 1);
  while (text && have < size) {
    ssize_t n = read(fd, text + have, size - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += (size_t)n;
  }
  close(fd);
  if (text) text[have] = 0;
  return text;
}

static inline int write_fully(int fd, const char *data, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, data, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    data += n;
    length -= (size_t)n;
  }
  return 0;
}

/* True when the text ends with the checksum of what stands before it. crc32_prepare() must have been called. */
static inline bool has_checksum(const char *text) {
  static const char word[] = "\nchecksum ";
  const char *last = NULL;
  for (const char *p = strstr(text, word); p; p = strstr(p + 1, word)) last = p;
  unsigned crc;
  char end;
  if (!last || sscanf(last + sizeof word - 1, "%8x%c", &crc, &end) != 2 || end != '\n') return false;
  return crc32_update(0, (const unsigned char *)text, (size_t)(last + 1 - text)) == crc;
}

/* Cuts the next line off *text; NULL at the end. */
static inline char *next_line(char **text) {
  char *line = *text;
  if (!line || !*line) return NULL;
  char *end = strchr(line, '\n');
  if (end) {
    *end = 0;
    *text = end + 1;
  } else {
    *text = line + strlen(line);
  }
  return line;
}

/* Cuts the next word off *rest; NULL when there is none. */
static inline char *next_word(char **rest) {
  char *word = *rest;
  if (!word || !*word) return NULL;
  char *end = strchr(word, ' ');
  if (end) {
    *end = 0;
    *rest = end + 1;
  } else {
    *rest = NULL;
  }
  return word;
}

#endif
