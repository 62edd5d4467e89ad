/* What is to be done in a stop: lines of the standard input up to `go`. */
#ifndef EXUVIA_GUEST_STOP_PLAN_H
#define EXUVIA_GUEST_STOP_PLAN_H

#define MAX_PLAN (8 << 20)
#define MAX_POSITIONS 1024
#define MAX_AVOIDS 1024
#define MAX_WANTS 2048
#define MAX_WRITES 512
#define MAX_EXPECTS 256

struct text {
  unsigned index;
  const char *text;
};

struct plan {
  const char *look;
  unsigned look_answers;
  unsigned positions[MAX_POSITIONS];
  size_t position_count;
  struct {
    uint64_t start, end;
  } avoids[MAX_AVOIDS];
  size_t avoid_count;
  struct text wants[MAX_WANTS];
  size_t want_count;
  struct write {
    const char *text;
    unsigned answers;
    struct text expects[MAX_EXPECTS];
    size_t expect_count;
  } writes[MAX_WRITES];
  size_t write_count;
  const char *refused; /* why it is not understood */
};

static bool number(char *word, int base, uint64_t limit, uint64_t *value) {
  if (word == NULL || *word == 0 || *word == '-') return false;
  char *end;
  errno = 0;
  *value = strtoull(word, &end, base);
  return errno == 0 && *end == 0 && *value <= limit;
}

/* `INDEX TEXT` and `COUNT TEXT`. */
static bool numbered(char *rest, uint64_t limit, unsigned *value, const char **text) {
  uint64_t found;
  if (!number(next_word(&rest), 10, limit, &found) || rest == NULL || *rest == 0) return false;
  *value = (unsigned)found;
  *text = rest;
  return true;
}

static bool take_line(struct plan *plan, const char *directive, char *rest) {
  uint64_t index, start, end;
  if (strcmp(directive, "look") == 0) return numbered(rest, MAX_ANSWERS, &plan->look_answers, &plan->look);
  if (strcmp(directive, "position") == 0) {
    if (plan->position_count == MAX_POSITIONS || !number(rest, 10, MAX_ANSWERS - 1, &index)) return false;
    plan->positions[plan->position_count++] = (unsigned)index;
    return true;
  }
  if (strcmp(directive, "avoid") == 0) {
    if (plan->avoid_count == MAX_AVOIDS || !number(next_word(&rest), 16, UINT64_MAX, &start)) return false;
    if (!number(rest, 16, UINT64_MAX, &end) || end <= start) return false;
    plan->avoids[plan->avoid_count].start = start;
    plan->avoids[plan->avoid_count++].end = end;
    return true;
  }
  if (strcmp(directive, "want") == 0) {
    if (plan->want_count == MAX_WANTS) return false;
    struct text *want = &plan->wants[plan->want_count++];
    return numbered(rest, MAX_ANSWERS - 1, &want->index, &want->text);
  }
  if (strcmp(directive, "write") == 0) {
    if (plan->write_count == MAX_WRITES) return false;
    struct write *write = &plan->writes[plan->write_count++];
    write->expect_count = 0;
    return numbered(rest, MAX_ANSWERS, &write->answers, &write->text);
  }
  if (strcmp(directive, "expect") == 0 && plan->write_count > 0) {
    struct write *write = &plan->writes[plan->write_count - 1];
    if (write->expect_count == MAX_EXPECTS) return false;
    struct text *expect = &write->expects[write->expect_count++];
    return numbered(rest, MAX_ANSWERS - 1, &expect->index, &expect->text);
  }
  return false;
}

/* The next line of the standard input; NULL at its end, or when a plan is too long. */
static char *input_line(void) {
  static char buffer[MAX_PLAN + 1];
  static size_t begin, end;
  static bool plan_begins = true;
  if (plan_begins) { /* the texts of the plan before are not needed any more */
    memmove(buffer, buffer + begin, end - begin);
    end -= begin;
    begin = 0;
  }
  for (size_t scanned = begin;;) {
    char *stop = memchr(buffer + scanned, '\n', end - scanned);
    if (stop != NULL) {
      char *line = buffer + begin;
      *stop = 0;
      begin = (size_t)(stop + 1 - buffer);
      plan_begins = strcmp(line, "go") == 0;
      return line;
    }
    scanned = end;
    ssize_t n = end < MAX_PLAN ? read(STDIN_FILENO, buffer + end, MAX_PLAN - end) : 0;
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return NULL;
    end += (size_t)n;
  }
}

/* Reads the next plan; false at the end of the input. */
static bool read_plan(struct plan *plan) {
  plan->look = NULL;
  plan->refused = NULL;
  plan->position_count = plan->avoid_count = plan->want_count = plan->write_count = 0;
  for (char *rest; (rest = input_line()) != NULL;) {
    const char *directive = next_word(&rest);
    if (directive != NULL && strcmp(directive, "go") == 0) {
      if (plan->look == NULL) plan->refused = "plan: nothing to look at";
      return true;
    }
    if (directive == NULL || !take_line(plan, directive, rest)) plan->refused = "plan: a line is not understood";
  }
  return false;
}

#endif
