/*
 * What is written to the host's disks, in a process of its own: a disk that does not answer holds up that process for ever,
 * where no signal reaches it, but not the VMs. Whoever waits for it gives up in time, or when the agent says so.
 *
 * It has no connection to a QEMU and no memory of a VM, so that nothing is left of them in one that hangs. A commit record
 * that it writes late is harmless: in the boot that it was written in it is no jump.
 */
#ifndef EXUVIA_PAUSE_WRITER_H
#define EXUVIA_PAUSE_WRITER_H

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "agent.h"
#include "state.h"

/* What it is asked for, a byte each. */
enum writing { JOURNALS, SYNC, COMMIT_RECORD };

static int writer_fd = -1;

/* Linux 5.14, include/uapi/linux/ext4.h; not in the headers of every distribution. */
#ifndef EXT4_IOC_CHECKPOINT
#define EXT4_IOC_CHECKPOINT _IOW('f', 43, uint32_t)
#endif

/*
 * Brings what an ext4's journal holds to its place, so that the new kernel, which mounts it while the VMs stand still, has little
 * to replay: without it, everything since the file system was mounted or its journal was full. Other file
 * systems know no such request, and what fails here is replayed: the mount is as good. Synced first: guests that write
 * wait for what a checkpoint has to write itself.
 */
static bool checkpoint_journals(void) {
  for (size_t i = 0; i < sync_count; i++) {
    int fd = open(syncs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) continue; /* sync_all says so */
    uint32_t flags = 0;
    if (syncfs(fd) == 0) ioctl(fd, EXT4_IOC_CHECKPOINT, &flags);
    close(fd);
  }
  return true;
}

static bool sync_all(void) {
  for (size_t i = 0; i < sync_count; i++) {
    int fd = open(syncs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail("%s: %s", syncs[i], strerror(errno));
    int result = syncfs(fd), saved = errno;
    close(fd);
    if (result < 0) return fail("%s could not be synced: %s", syncs[i], strerror(saved));
  }
  return true;
}

static bool append_commit_record(void) {
  int fd = open(journal, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return fail("%s: %s", journal, strerror(errno));
  char line[4096];
  int n = snprintf(line, sizeof line, "%s\n", commit_record);
  bool good = n > 0 && (size_t)n < sizeof line && write_fully(fd, line, (size_t)n) == 0 && fdatasync(fd) == 0;
  int saved = errno;
  close(fd);
  return good || fail("%s: %s", journal, strerror(saved));
}

static const struct {
  bool (*write)(void);
  const char *what;
} writings[] = {
    [JOURNALS] = {checkpoint_journals, "what the journals of the file systems hold"},
    [SYNC] = {sync_all, "what is left to sync"},
    [COMMIT_RECORD] = {append_commit_record, "the commit record"},
};

/* Answers each request with the reason of a failure, or with nothing. */
static void write_on_request(int fd) {
  unsigned char which;
  while (recv(fd, &which, 1, 0) == 1) {
    failure[0] = 0;
    writings[which].write();
    if (send(fd, failure, strlen(failure) + 1, MSG_NOSIGNAL) < 0) return;
  }
}

/* Before there is anything else that it would inherit. */
static bool start_writer(void) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return fail("no socket: %s", strerror(errno));
  const pid_t parent = getpid(), pid = fork();
  if (pid < 0) return fail("no process can be made: %s", strerror(errno));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    /* The agent waits for the end of this program's output. */
    dup2(pair[1], 0);
    syscall(SYS_close_range, 1U, ~0U, 0U);
    write_on_request(0);
    _exit(0);
  }
  close(pair[1]);
  writer_fd = pair[0];
  return true;
}

/* Has it written, and waits for that; not for ever, and not once the agent wants an end. */
static bool written(enum writing writing) {
  const unsigned char which = writing;
  const uint64_t deadline = monotonic_ms() + timeout_ms;
  if (send(writer_fd, &which, 1, MSG_NOSIGNAL) != 1) return fail("the process that writes has ended");
  for (;;) {
    struct pollfd fds[] = {{.fd = writer_fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    const uint64_t now = monotonic_ms();
    if (now >= deadline) return fail("%s was not written within %u ms", writings[writing].what, timeout_ms);
    if (poll(fds, 2, (int)(deadline - now)) <= 0) continue;
    if (fds[0].revents) {
      const ssize_t n = recv(writer_fd, failure, sizeof failure - 1, 0);
      if (n <= 0) return fail("the process that writes has ended");
      failure[n] = 0;
      return failure[0] == 0;
    }
    listen_to_agent(NULL);
    if (abort_asked) return fail("%s is not waited for", writings[writing].what);
  }
}

#endif
