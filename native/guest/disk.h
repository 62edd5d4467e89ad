/*
 * The role `disk`: appends records to files on an ext4 file system, fsync'ed one by one, and reads older
 * ones back past the page cache. A ring of files bounds the space.
 */
#ifndef EXUVIA_DISK_H
#define EXUVIA_DISK_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "heartbeat.h"
#include "pattern.h"
#include "rest.h"

#define DISK_MOUNT "/data"
#define RECORD_BYTES 4096
#define RECORDS_A_FILE 512
#define FILES_KEPT 8
/* Older records read back for each one written. */
#define CHECKS_A_RECORD 4

struct record {
  uint64_t magic, number;
  uint64_t body[RECORD_BYTES / sizeof(uint64_t) - 2];
};
_Static_assert(sizeof(struct record) == RECORD_BYTES, "one block a record: O_DIRECT");
#define RECORD_MAGIC 0x4352415645525845u
#define BODY_WORDS (sizeof((struct record *)0)->body / sizeof(uint64_t))

static void disk_error(const char *what, uint64_t number) {
  atomic_fetch_add(&work_done.errors, 1);
  printf("disk: %s record %" PRIu64 ": %s\n", what, number, strerror(errno));
}

static void disk_file_name(char *path, size_t size, uint64_t file) {
  snprintf(path, size, DISK_MOUNT "/records-%08" PRIu64, file);
}

static void disk_check(struct record *buffer, uint64_t number) {
  char path[64];
  disk_file_name(path, sizeof path, number / RECORDS_A_FILE);
  errno = 0;
  const int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (fd < 0) {
    disk_error("cannot open the file of", number);
    return;
  }
  const off_t at = (off_t)(number % RECORDS_A_FILE) * RECORD_BYTES;
  const ssize_t got = pread(fd, buffer, RECORD_BYTES, at);
  close(fd);
  if (got != RECORD_BYTES)
    disk_error("cannot read", number);
  else if (buffer->magic != RECORD_MAGIC || buffer->number != number ||
           !pattern_holds(buffer->body, BODY_WORDS, number, 0))
    disk_error("wrong content in", number);
  else
    atomic_fetch_add(&work_done.verified, 1);
}

static void disk_append(struct record *buffer, uint64_t number) {
  char path[64];
  disk_file_name(path, sizeof path, number / RECORDS_A_FILE);
  buffer->magic = RECORD_MAGIC;
  buffer->number = number;
  pattern_fill(buffer->body, BODY_WORDS, number, 0);
  errno = 0;
  const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const off_t at = (off_t)(number % RECORDS_A_FILE) * RECORD_BYTES;
  if (fd < 0 || pwrite(fd, buffer, RECORD_BYTES, at) != RECORD_BYTES || fsync(fd) != 0)
    disk_error("cannot write", number);
  else
    atomic_fetch_add(&work_done.written, 1);
  if (fd >= 0) close(fd);
}

/* The number after the last complete record; `first` becomes the oldest one that is kept. */
static uint64_t disk_find_end(uint64_t *first) {
  uint64_t oldest = UINT64_MAX, newest = 0, file;
  DIR *directory = opendir(DISK_MOUNT);
  for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
    if (sscanf(entry->d_name, "records-%" SCNu64, &file) != 1) continue;
    if (file < oldest) oldest = file;
    if (file > newest) newest = file;
  }
  if (directory != NULL) closedir(directory);
  *first = 0;
  if (oldest == UINT64_MAX) return 0;
  *first = oldest * RECORDS_A_FILE;
  char path[64];
  struct stat found = {0};
  disk_file_name(path, sizeof path, newest);
  if (stat(path, &found) != 0) disk_error("cannot find the file of", newest * RECORDS_A_FILE);
  return newest * RECORDS_A_FILE + (uint64_t)found.st_size / RECORD_BYTES;
}

static void disk_run(void) {
  mkdir(DISK_MOUNT, 0755);
  if (mount("/dev/vda", DISK_MOUNT, "ext4", MS_NOATIME, NULL) != 0) {
    perror("disk: mount");
    atomic_fetch_add(&work_done.errors, 1);
    return;
  }
  struct record *buffer = aligned_alloc(RECORD_BYTES, RECORD_BYTES);
  uint64_t first = 0;
  uint64_t next = disk_find_end(&first);
  printf("disk: records %" PRIu64 " to %" PRIu64 " are there\n", first, next);
  for (uint64_t number = first; number < next; number++) disk_check(buffer, number);
  printf("disk: all of them are read\n");
  uint64_t check = first;
  for (;; next++) {
    const uint64_t began = clock_ns(CLOCK_MONOTONIC);
    disk_append(buffer, next);
    const uint64_t file = next / RECORDS_A_FILE;
    if (file >= FILES_KEPT && next % RECORDS_A_FILE == 0) {
      char path[64];
      disk_file_name(path, sizeof path, file - FILES_KEPT);
      unlink(path);
      first = (file - FILES_KEPT + 1) * RECORDS_A_FILE;
    }
    for (int i = 0; i < CHECKS_A_RECORD; i++) {
      if (check < first || check > next) check = first;
      disk_check(buffer, check++);
    }
    rest_after(began);
  }
}

#endif
