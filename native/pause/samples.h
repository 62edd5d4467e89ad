/*
 * Looking at a VM's memory here and there, so that whoever restores the VM after a reset through the firmware
 * can tell whether the memory is still what it was. Takes time with the size of the memory, but hardly any (one
 * cache line in 512 KiB), and lies beside QEMU's own saving.
 */
#ifndef EXUVIA_PAUSE_SAMPLES_H
#define EXUVIA_PAUSE_SAMPLES_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "crc32.h"
#include "state.h"

/* The same places as in packages/sys/src/memory/samples.ts. */
static unsigned long long sample_offset(const struct vm *vm, unsigned long long i) {
  uint32_t scattered = (uint32_t)i * 2654435761u;
  return i * vm->stride + scattered % (vm->stride / SAMPLE_BYTES) * SAMPLE_BYTES;
}

static unsigned long long sample_count(const struct vm *vm) { return vm->memory_bytes / vm->stride; }

/* Maps the RAM file and touches each place once, so that nothing faults while the VMs stand still. */
static bool map_memory(struct vm *vm) {
  struct stat st;
  int fd = open(vm->ram, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) < 0) {
    int saved = errno;
    if (fd >= 0) close(fd);
    return fail("VM %s: %s: %s", vm->name, vm->ram, strerror(saved));
  }
  vm->memory_bytes = (unsigned long long)st.st_size;
  vm->stride = SAMPLE_STRIDE;
  if (vm->memory_bytes / vm->stride > SAMPLE_MAX)
    vm->stride = (vm->memory_bytes / SAMPLE_MAX + SAMPLE_STRIDE) / SAMPLE_STRIDE * SAMPLE_STRIDE;
  void *memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
  int saved = errno;
  close(fd);
  if (memory == MAP_FAILED) return fail("VM %s: %s: %s", vm->name, vm->ram, strerror(saved));
  vm->memory = memory;
  for (unsigned long long i = 0; i < sample_count(vm); i++)
    (void)*(volatile const unsigned char *)(vm->memory + sample_offset(vm, i));
  return true;
}

static void sample_memory(struct vm *vm) {
  vm->memory_crc = 0;
  for (unsigned long long i = 0; i < sample_count(vm); i++)
    vm->memory_crc = crc32_update(vm->memory_crc, vm->memory + sample_offset(vm, i), SAMPLE_BYTES);
}

#endif
