import { basename } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testBed } from '../e2e-guest/support/bed.ts';
import { versionLivepatch } from '../e2e-guest/support/modules.ts';
import { otherKernel } from '../src/host/agent.ts';
import { labCopy, labRun } from '../src/host/ssh.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import { ask, endOf, sharedLab, watchedGuests } from './support/lab.ts';

/** A livepatch of the host's own kernel, through updates into a kernel for which it is built, and for which it is not. */
const lab = await sharedLab();
const observer = await watchedGuests(lab);
afterAll(() => observer.stop());

const NAME = 'exuvia_version';
const LIMIT_MS = 300_000;
const folderOf = (release: string) => `/lib/modules/${release}/updates`;

const running = async () => (await labRun(lab, 'uname -r')).stdout;
const isInForce = async () => (await labRun(lab, 'cat /proc/version')).stdout === 'patched';

beforeAll(async () => {
  const bed = await testBed();
  for (const kernel of ['6.12', '7.2'] as const) {
    const { release } = bed.kernels.kernels[kernel];
    const module = await versionLivepatch(bed, kernel);
    await labRun(lab, `mkdir -p ${folderOf(release)}`);
    await labCopy(lab, module, `${folderOf(release)}/${basename(module)}`);
    await labRun(lab, `depmod ${release}`, { timeoutMs: LIMIT_MS });
  }
  await labRun(lab, `modprobe ${NAME}`);
}, LIMIT_MS);

test('the doctor and the plan say what becomes of it', async () => {
  expect(await isInForce()).toBe(true);
  const { checks } = await ask(lab, (client) => client.doctor());
  expect(checks.find(({ id }) => id === 'livepatch')).toMatchObject({
    verdict: 'ok',
    reason: `Kernel livepatches are loaded: ${NAME}. A plan says what becomes of them.`,
  });
  const kernel = await otherKernel(lab);
  const carried = {
    name: NAME,
    carried: true,
    reason: `It is built for kernel ${kernel} too, and is loaded there again.`,
  };
  for (const handover of ['kexec', 'reboot'] as const) {
    const { livepatches } = await ask(lab, (client) => client.makePlan({ kernel, handover }));
    expect(livepatches).toEqual([carried]);
  }
});

test.each(['kexec', 'reboot'] as const)('an update by %s loads it again', async (handover) => {
  const { now: from } = await observer.peek();
  const kernel = await otherKernel(lab);
  const { id } = await ask(lab, (client) => client.startUpdate({ kernel, handover }));
  expect(await endOf(lab, id)).toMatchObject({ state: 'completed', to: kernel });
  expect(await running()).toBe(kernel);
  expect(await isInForce()).toBe(true);
  await expectGuestsLivedOn(observer, from);
});

test('one that is not built for the other kernel is not carried, and the plan says so', async () => {
  const kernel = await otherKernel(lab);
  await labRun(lab, `rm ${folderOf(kernel)}/*.ko; depmod ${kernel}`, { timeoutMs: LIMIT_MS });
  const { livepatches } = await ask(lab, (client) => client.makePlan({ kernel }));
  expect(livepatches).toEqual([
    {
      name: NAME,
      carried: false,
      reason: `There is no module ${NAME} for kernel ${kernel}: what it mends must be mended in that kernel itself.`,
    },
  ]);
  await labRun(lab, `rm ${folderOf(await running())}/*.ko; echo 0 > /sys/kernel/livepatch/${NAME}/enabled`);
});
