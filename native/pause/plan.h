/* Reading the pause plan; its format stands at the head of exuvia-pause.c. */
#ifndef EXUVIA_PAUSE_PLAN_H
#define EXUVIA_PAUSE_PLAN_H

#include "state.h"

static bool read_plan(const char *path) {
  char *text = read_whole(path, 1 << 20), *line;
  if (!text) return fail("%s cannot be read: %s", path, strerror(errno));
  bool whole = has_checksum(text);
  line = next_line(&text);
  if (!line || strcmp(line, "exuvia-pause 2") != 0) return fail("%s is no pause plan of version 2", path);
  if (!whole) return fail("%s is damaged: its checksum does not fit", path);
  while ((line = next_line(&text))) {
    char *rest = line, *word = next_word(&rest);
    if (!word || !rest) {
      if (!word) continue;
      return fail("%s: '%s' lacks its value", path, word);
    }
    if (strcmp(word, "vm") == 0) {
      if (vm_count == MAX_VMS) return fail("%s: more than %d VMs", path, MAX_VMS);
      struct vm *vm = &vms[vm_count++];
      vm->name = next_word(&rest);
      vm->socket = next_word(&rest);
      vm->state = next_word(&rest);
      vm->ram = next_word(&rest);
      if (!vm->ram) return fail("%s: a vm line lacks its socket, state or RAM file", path);
      vm->may_be_left = rest && strcmp(rest, "leave") == 0;
    } else if (strcmp(word, "sync") == 0) {
      if (sync_count == MAX_SYNCS) return fail("%s: more than %d file systems", path, MAX_SYNCS);
      syncs[sync_count++] = rest;
    } else if (strcmp(word, "manifest") == 0) {
      manifest = rest;
    } else if (strcmp(word, "stamps") == 0) {
      stamps_file = rest;
    } else if (strcmp(word, "journal") == 0) {
      journal = rest;
    } else if (strcmp(word, "commit") == 0) {
      commit_record = rest;
    } else if (strcmp(word, "watchdog") == 0) {
      watchdog = next_word(&rest);
      watchdog_seconds = rest ? (unsigned)strtoul(rest, NULL, 10) : 0;
    } else if (strcmp(word, "timeout-ms") == 0) {
      timeout_ms = (unsigned)strtoul(rest, NULL, 10);
    } else if (strcmp(word, "checksum") != 0) {
      return fail("%s: '%s' is no directive", path, word);
    }
  }
  if (!manifest || !stamps_file || !journal || !commit_record || timeout_ms == 0)
    return fail("%s: manifest, stamps, journal, commit and a timeout must be given", path);
  return true;
}

#endif
