import { defineConfig } from 'vitest/config';

// Two projects: `unit` needs no virtual machine host (a QEMU process at most); `lab` drives one real lab
// host from beginning to end, one file after the other.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'packaging/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['packages/lab/e2e/**/*.test.ts'],
          globalSetup: ['packages/lab/e2e/support/global.ts'],
          testTimeout: 600_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          sequence: { concurrent: false },
        },
      },
    ],
  },
});
