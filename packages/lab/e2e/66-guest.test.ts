import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vmPaths, vmSpecSchema } from '@exuvia/contract';
import { buildPatch } from '@exuvia/guest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testBed } from '../e2e-guest/support/bed.ts';
import { GUEST_FILES } from '../src/guests/specs.ts';
import { otherKernel } from '../src/host/agent.ts';
import { waitUntil } from '../src/host/machine.ts';
import { labRun } from '../src/host/ssh.ts';
import { HOST_QEMU, newQemuOf } from '../src/image/qemus.ts';
import { kernelGuestInitramfs } from '../src/kernel-guests/files.ts';
import { ask, endOf, sharedLab } from './support/lab.ts';

const NAME = 'patched';
const PATCH = join(import.meta.dirname, '../e2e-guest/patches/version.c');
const BOOT_LIMIT_MS = 240_000;
const COMMAND_LIMIT_MS = 240_000;

const lab = await sharedLab();
let folder: string;
let release: string;
let banner: string;

/** What /proc/version says in the guest: its program prints it whenever it changes. A line is whole once it has its end. */
async function seenInside(): Promise<string | null> {
  const { stdout } = await labRun(lab, `grep -aP '^watch: .*\\r$' ${vmPaths(NAME).consoleLog} | tail -1`);
  return stdout.replaceAll('\r', '').replace(/^watch: /, '') || null;
}
async function untilInside(wanted: string): Promise<void> {
  await waitUntil(lab, `"${wanted}" in /proc/version`, BOOT_LIMIT_MS, async () =>
    (await seenInside()) === wanted ? wanted : null,
  );
}
async function exuvia(command: string): Promise<string> {
  return (await labRun(lab, `exuvia guest ${command}`, { timeoutMs: COMMAND_LIMIT_MS })).stdout;
}
async function copy(file: string, target: string): Promise<void> {
  await labRun(lab, `cat > ${target}`, { input: await readFile(file), timeoutMs: COMMAND_LIMIT_MS });
}

beforeAll(async () => {
  const { kernels, root } = await testBed();
  const kernel = kernels.kernels['6.12'];
  release = kernel.release;
  folder = await mkdtemp(join(tmpdir(), 'exuvia-lab-guest-'));
  const output = join(folder, 'version.ko');
  await buildPatch({ source: PATCH, release, output, headers: root.root });
  await copy(kernel.image, `${GUEST_FILES}/patched-vmlinuz`);
  await copy(await kernelGuestInitramfs(kernels, kernel), `${GUEST_FILES}/patched-initrd`);
  await copy(output, '/root/version.ko');
  const boot = {
    kernel: `${GUEST_FILES}/patched-vmlinuz`,
    initrd: `${GUEST_FILES}/patched-initrd`,
    cmdline: `console=ttyS0 quiet panic=-1 name=${NAME} watch=/proc/version`,
  };
  await ask(lab, (client) => client.createVm(vmSpecSchema.parse({ name: NAME, memory: '256M', boot })));
  await ask(lab, (client) => client.startVm(NAME));
  banner = await waitUntil(lab, 'The guest', BOOT_LIMIT_MS, seenInside);
});
afterAll(async () => {
  await ask(lab, (client) => client.stopVm(NAME, 1000));
  await ask(lab, (client) => client.destroyVm(NAME));
  await rm(folder, { recursive: true, force: true });
});

test('a VM of the host is known by its name, under KVM', async () => {
  const { stdout } = await labRun(lab, `tr '\\0' ' ' < /proc/$(cat ${vmPaths(NAME).pidFile})/cmdline`);
  expect(stdout).toContain('kvm');
  expect(JSON.parse(await exuvia(`inspect ${NAME} --json`))).toMatchObject({ guest: NAME, release, cpus: 1 });
  expect(banner).toContain(release);
});

test('a patch is applied, listed and taken back by the installed command', async () => {
  await exuvia(`patch apply ${NAME} /root/version.ko --wait`);
  await untilInside('Linux version patched');
  expect(JSON.parse(await exuvia(`patch list ${NAME} --json`))).toMatchObject({
    patches: [{ id: 'version', state: 'complete' }],
  });
  await exuvia(`patch rollback ${NAME} version --wait`);
  await untilInside(banner);
  expect(JSON.parse(await exuvia(`patch list ${NAME} --json`))).toMatchObject({ patches: [] });
});

async function expectPatched(): Promise<void> {
  expect(JSON.parse(await exuvia(`patch list ${NAME} --json`))).toMatchObject({
    findings: [],
    patches: [{ id: 'version', state: 'complete' }],
  });
}

test('a patch lives through an update of its host, and is taken back on the other side', async () => {
  await exuvia(`patch apply ${NAME} /root/version.ko --wait`);
  const kernel = await otherKernel(lab);
  const { id } = await ask(lab, (client) => client.startUpdate({ kernel, handover: 'kexec' }));
  expect((await endOf(lab, id)).state).toBe('completed');
  expect((await labRun(lab, 'uname -r')).stdout).toBe(kernel);
  await expectPatched();
  await exuvia(`patch rollback ${NAME} version --wait`);
  await untilInside(banner);
});

test('a patch lives through an update of the QEMU underneath, and can be taken back in the new one', async () => {
  await exuvia(`patch apply ${NAME} /root/version.ko --wait`);
  for (const qemu of [newQemuOf(lab), HOST_QEMU]) {
    const { id } = await ask(lab, (client) => client.startUpdate({ qemu, handover: 'vmm' }));
    const end = await endOf(lab, id);
    expect(end.state, JSON.stringify(end)).toBe('completed');
    await expectPatched();
    await exuvia(`patch rollback ${NAME} version --wait`);
    await untilInside(banner);
    await exuvia(`patch apply ${NAME} /root/version.ko --wait`);
    await untilInside('Linux version patched');
  }
  await exuvia(`patch rollback ${NAME} version --wait`);
});
