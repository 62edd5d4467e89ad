import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { patience } from './packages/lab/src/support/patience.ts';

/** What takes more than an hour in an emulator: connections, disks and clocks, guests' patches through updates, reboots, and what happens when things go wrong. */
const LONG = ['packages/lab/e2e/[789]*-*.test.ts', 'packages/lab/e2e/6[56]-*.test.ts'];

/** What drives the lab host runs in the order of the files' names: most take the host that the one before has left. */
class LabInOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const drivesLab = ({ project }: TestSpecification) => project.name.startsWith('lab');
    const labs = sorted.filter(drivesLab).sort((a, b) => a.moduleId.localeCompare(b.moduleId));
    return [...sorted.filter((file) => !drivesLab(file)), ...labs];
  }
}

const lab = {
  globalSetup: ['packages/lab/e2e/support/global.ts'],
  testTimeout: 600_000 * patience,
  hookTimeout: 900_000 * patience,
  fileParallelism: false,
};

// One after the other: `unit` needs no virtual machine host (a QEMU process at most); `guest` boots Debian kernels in
// QEMU and patches them; `lab` drives one real lab host from beginning to end, one file after the other, and so does
// `lab-long`, which `npm test` leaves out and `npm test -- --all` does not.
export default defineConfig({
  test: {
    sequence: { sequencer: LabInOrder },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'packaging/**/*.test.ts'],
          testTimeout: 60_000 * patience,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'guest',
          include: ['packages/lab/e2e-guest/**/*.test.ts'],
          globalSetup: ['packages/lab/e2e-guest/support/global.ts'],
          testTimeout: 180_000 * patience,
          hookTimeout: 300_000 * patience,
          // Two emulated guests keep a machine with two processors busy.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...lab,
          name: 'lab',
          include: ['packages/lab/e2e/**/*.test.ts'],
          exclude: LONG,
          sequence: { concurrent: false, groupOrder: 2 },
        },
      },
      {
        test: {
          ...lab,
          name: 'lab-long',
          include: LONG,
          sequence: { concurrent: false, groupOrder: 3 },
        },
      },
    ],
  },
});
