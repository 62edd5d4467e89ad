/* CRC-32 (IEEE 802.3), slicing by 4: guards the saved device state between the two kernels. */
#ifndef EXUVIA_CRC32_H
#define EXUVIA_CRC32_H

#include <stddef.h>
#include <stdint.h>

static uint32_t crc32_table[4][256];

static inline void crc32_prepare(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    crc32_table[0][i] = c;
  }
  for (uint32_t i = 0; i < 256; i++)
    for (int t = 1; t < 4; t++)
      crc32_table[t][i] = (crc32_table[t - 1][i] >> 8) ^ crc32_table[0][crc32_table[t - 1][i] & 0xff];
}

static inline uint32_t crc32_update(uint32_t crc, const unsigned char *p, size_t n) {
  crc = ~crc;
  while (n >= 4) {
    crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    crc = crc32_table[3][crc & 0xff] ^ crc32_table[2][(crc >> 8) & 0xff] ^ crc32_table[1][(crc >> 16) & 0xff] ^
          crc32_table[0][crc >> 24];
    p += 4;
    n -= 4;
  }
  while (n--) crc = crc32_table[0][(crc ^ *p++) & 0xff] ^ (crc >> 8);
  return ~crc;
}

#endif
