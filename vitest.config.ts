import { defineConfig } from 'vitest/config';

// Two projects: `unit` needs no virtual machine host (a QEMU process at most); `lab` drives one real lab
// host from beginning to end, one file after the other.
/** packages/lab/src/support/patience.ts */
const patience = Math.max(1, Number(process.env.EXUVIA_PATIENCE ?? '1'));

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
          testTimeout: 600_000 * patience,
          hookTimeout: 900_000 * patience,
          fileParallelism: false,
          sequence: { concurrent: false },
        },
      },
    ],
  },
});
