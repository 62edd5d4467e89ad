/* What the parts of exuvia-pause share. */
#ifndef EXUVIA_PAUSE_STATE_H
#define EXUVIA_PAUSE_STATE_H

#include "qmp.h"
#include "tell.h"

#define MAX_VMS 256
#define MAX_SYNCS 16

enum migration { MIGRATION_NONE, MIGRATION_ACTIVE, MIGRATION_COMPLETED, MIGRATION_FAILED };

/* Where a VM's memory is looked at: one piece in so many bytes, at most so many pieces. */
#define SAMPLE_STRIDE 524288u
#define SAMPLE_MAX 65536u
#define SAMPLE_BYTES 64u

struct vm {
  const char *name, *socket, *state, *ram;
  bool may_be_left; /* when it cannot be saved the others go on without it */
  bool left;
  const unsigned char *memory; /* its RAM file, mapped to be looked at */
  unsigned long long memory_bytes, stride;
  uint32_t memory_crc;
  struct qmp qmp;
  unsigned awaiting; /* id of the command that is under way; 0: none */
  bool refused;      /* its reply was an error */
  bool stopped, asked, resumed, closed; /* asked: to continue */
  enum migration migration;
  char why[256];
};

static struct vm vms[MAX_VMS];
static size_t vm_count;
static const char *syncs[MAX_SYNCS], *manifest, *stamps_file, *journal, *commit_record, *watchdog;
static size_t sync_count;
static unsigned timeout_ms = 30000, next_id = 1, watchdog_seconds;
static bool suspending;
static int stamps_fd = -1, manifest_fd = -1, watchdog_fd = -1;

#endif
