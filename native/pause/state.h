/* What the parts of exuvia-pause share. */
#ifndef EXUVIA_PAUSE_STATE_H
#define EXUVIA_PAUSE_STATE_H

#include "qmp.h"
#include "tell.h"

#define MAX_VMS 256
#define MAX_SYNCS 16

enum migration { MIGRATION_NONE, MIGRATION_ACTIVE, MIGRATION_COMPLETED, MIGRATION_FAILED };

struct vm {
  const char *name, *socket, *state;
  struct qmp qmp;
  unsigned awaiting; /* id of the command that is under way; 0: none */
  bool refused;      /* its reply was an error */
  bool stopped, resumed, closed;
  enum migration migration;
  char why[256];
};

static struct vm vms[MAX_VMS];
static size_t vm_count;
static const char *syncs[MAX_SYNCS], *manifest, *stamps_file, *journal, *commit_record;
static size_t sync_count;
static unsigned timeout_ms = 30000, next_id = 1;
static bool suspending;
static int stamps_fd = -1;

#endif
