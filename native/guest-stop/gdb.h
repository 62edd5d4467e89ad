/* The conversation with a gdbstub: packets out as they are given, answers in. */
#ifndef EXUVIA_GUEST_STOP_GDB_H
#define EXUVIA_GUEST_STOP_GDB_H

#include <stdarg.h>

#define GDB 3
#define CONTINUE "$c#63"
#define ACKNOWLEDGE "+"
#define ANSWER_MS 10000
#define AWAKE_NS 1000000
#define MAX_ANSWERS 4096
#define MAX_RECEIVED (1 << 20)
/* The register file of x86-64 begins with sixteen registers of eight bytes, then RIP; two digits a byte. */
#define RIP_DIGITS 256

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

static char outcome_text[512];
static bool vm_ran; /* a stop reply came: the VM ran until then */

/* Says what came of the stop. Always false but for "done". */
__attribute__((format(printf, 1, 2))) static bool outcome(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(outcome_text, sizeof outcome_text, format, arguments);
  va_end(arguments);
  return strcmp(outcome_text, "done") == 0;
}

static char received[MAX_RECEIVED];
static size_t received_bytes;
static const char *answers[MAX_ANSWERS];
static unsigned answer_count;

static const char *answer(unsigned index) { return index < answer_count ? answers[index] : "(nothing)"; }

/* Waits for the connection, which does not block. */
static bool wait_for(short events) {
  struct pollfd gdb = {.fd = GDB, .events = events};
  for (;;) {
    int ready = poll(&gdb, 1, ANSWER_MS);
    if (ready > 0) return true;
    if (ready == 0) return outcome("failed timeout");
    if (errno != EINTR) return outcome("failed poll: %s", strerror(errno));
  }
}

static bool send_all(const char *text, size_t length) {
  while (length > 0) {
    ssize_t sent = write(GDB, text, length);
    if (sent > 0) {
      text += sent;
      length -= (size_t)sent;
    } else if (sent < 0 && errno == EAGAIN) {
      if (!wait_for(POLLOUT)) return false;
    } else if (sent == 0 || errno != EINTR) {
      return outcome("failed closed");
    }
  }
  return true;
}

/* Sends both texts as one, when they are not too long for that. */
static bool send_text(const char *text, const char *behind) {
  static char together[8192];
  size_t first = strlen(text), second = strlen(behind);
  if (first + second > sizeof together) return send_all(text, first) && send_all(behind, second);
  memcpy(together, text, first);
  memcpy(together + first, behind, second);
  return send_all(together, first + second);
}

static bool checksum_holds(const char *payload, const char *end) {
  unsigned sum = 0;
  for (const char *at = payload; at < end; at++) sum += (unsigned char)*at;
  char digits[3];
  snprintf(digits, sizeof digits, "%02x", sum & 0xff);
  return strncasecmp(digits, end + 1, 2) == 0;
}

/* A stop reply (`T02thread:01;`, `S05`) answers nothing: it says that the VM has been stopped. */
static bool is_stop_reply(const char *payload) {
  return (payload[0] == 'T' || payload[0] == 'S') && strspn(payload + 1, "0123456789abcdef") >= 2;
}

/* Takes packets out of what has been received, from `*at` on. */
static bool take_packets(size_t *at) {
  while (*at < received_bytes) {
    char *start = received + *at, *last = received + received_bytes;
    if (*start == '+') {
      ++*at;
      continue;
    }
    if (*start != '$') return outcome("failed protocol: %.20s", start);
    char *end = memchr(start, '#', (size_t)(last - start));
    if (end == NULL || end + 3 > last) return true;
    if (!checksum_holds(start + 1, end)) return outcome("failed protocol: %.20s", start);
    *end = 0;
    *at = (size_t)(end + 3 - received);
    if (is_stop_reply(start + 1)) vm_ran = true;
    else if (answer_count == MAX_ANSWERS) return outcome("failed protocol: too many answers");
    else answers[answer_count++] = start + 1;
  }
  return true;
}

/*
 * Receives so many answers. `at_once`: from the stop reply on it does not sleep for a while: nobody else needs the
 * processor while the VM stands, and being woken up takes longer than an answer.
 */
static bool receive(unsigned wanted, bool at_once) {
  size_t at = 0;
  uint64_t awake_until = 0;
  received_bytes = 0;
  answer_count = 0;
  while (answer_count < wanted) {
    if (now_ns() >= awake_until && !wait_for(POLLIN)) return false;
    ssize_t n = read(GDB, received + received_bytes, sizeof received - 1 - received_bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return outcome(n == 0 ? "failed closed" : "failed protocol: too long");
    received_bytes += (size_t)n;
    received[received_bytes] = 0;
    if (!take_packets(&at)) return false;
    if (at_once && vm_ran && awake_until == 0) awake_until = now_ns() + AWAKE_NS;
  }
  return true;
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* RIP of a register file: eight bytes in the guest's order, the lowest first. */
static bool instruction_pointer(const char *registers, uint64_t *rip) {
  if (strlen(registers) < RIP_DIGITS + 16) return false;
  *rip = 0;
  for (int byte = 7; byte >= 0; byte--) {
    int high = digit(registers[RIP_DIGITS + byte * 2]), low = digit(registers[RIP_DIGITS + byte * 2 + 1]);
    if (high < 0 || low < 0) return false;
    *rip = *rip << 8 | (uint64_t)(high << 4 | low);
  }
  return true;
}

/* For tests only: `EXUVIA_GUEST_FAULT=in-stop` kills this and whoever started it, with the VM standing. */
static void die_if_asked(void) {
  const char *fault = getenv("EXUVIA_GUEST_FAULT");
  if (fault == NULL || strcmp(fault, "in-stop") != 0) return;
  kill(getppid(), SIGKILL);
  raise(SIGKILL);
}

#endif
