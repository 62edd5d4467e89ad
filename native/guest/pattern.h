/* Verifiable contents: any block can be computed again from its number and generation alone. */
#ifndef EXUVIA_PATTERN_H
#define EXUVIA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t pattern_seed(uint64_t block, uint64_t generation) {
  uint64_t z = block * 0x9e3779b97f4a7c15u + generation * 0xd1342543de82ef95u + 1;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static inline uint64_t pattern_next(uint64_t x) {
  x ^= x << 13;
  x ^= x >> 7;
  return x ^ (x << 17);
}

static inline void pattern_fill(uint64_t *words, size_t count, uint64_t block, uint64_t generation) {
  uint64_t x = pattern_seed(block, generation) | 1;
  for (size_t i = 0; i < count; i++) words[i] = x = pattern_next(x);
}

static inline bool pattern_holds(const uint64_t *words, size_t count, uint64_t block, uint64_t generation) {
  uint64_t x = pattern_seed(block, generation) | 1;
  uint64_t difference = 0;
  for (size_t i = 0; i < count; i++) {
    x = pattern_next(x);
    difference |= words[i] ^ x;
  }
  return difference == 0;
}

#endif
