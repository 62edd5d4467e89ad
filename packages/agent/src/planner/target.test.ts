import { expect, test } from 'vitest';
import type { RunningQemu } from '../kinds.ts';
import { fakeHost } from '../testing/fakes.ts';
import type { InstalledQemu } from './software.ts';
import { resolveTarget, type TargetDependencies } from './target.ts';

const KERNEL = '6.12.107+deb13-amd64';
const qemu = (version: string, binary: string): InstalledQemu => ({
  ...{ version, binary, package: `Debian ${version}`, migrationModes: [], machines: [] },
});
const OLD = qemu('10.0.13', '/usr/bin/qemu-system-x86_64');
const NEW = qemu('11.1.3', '/opt/qemu/bin/qemu-system-x86_64');
const running = (version: string): RunningQemu => ({
  ...{ version, package: `Debian ${version}`, binary: OLD.binary, pid: 1, migrationModes: [] },
});
const dependencies = (change: Partial<TargetDependencies['software']> = {}): TargetDependencies => ({
  aptLine: async () => null,
  software: {
    qemus: async () => [NEW, OLD],
    qemuAt: async (binary) => qemu('12.0.0', binary),
    changedModules: async () => [],
    livepatches: async () => [],
    ...change,
  },
});
const asTarget = ({ binary, version, package: own }: InstalledQemu) => ({ binary, version, package: own });

test.each([
  ['a kernel', { kernel: '7.2' }, { kernel: '7.2.12+deb13-amd64', qemu: null, modules: [] }],
  ['a QEMU', { qemu: '11.1' }, { kernel: KERNEL, qemu: asTarget(NEW), modules: [] }],
  [
    'a QEMU by its path',
    { qemu: '/q' },
    { kernel: KERNEL, qemu: asTarget(qemu('12.0.0', '/q')), modules: [] },
  ],
  ['modules', { modules: ['kvm'] }, { kernel: KERNEL, qemu: null, modules: ['kvm'] }],
  ['all', { all: true }, { kernel: '7.2.12+deb13-amd64', qemu: asTarget(NEW), modules: [] }],
])('%s', async (_, request, expected) => {
  expect(await resolveTarget(dependencies(), request, fakeHost(), [running('10.0.13')])).toEqual({
    ...expected,
    method: null,
  });
});

test('a new kernel brings its modules; without one those whose files are new are loaded anew', async () => {
  const host = fakeHost({ kernels: [KERNEL] });
  const changed = dependencies({ changedModules: async () => ['kvm_amd'], qemus: async () => [OLD] });
  expect(await resolveTarget(changed, { all: true }, host, [running('10.0.13')])).toMatchObject({
    qemu: null,
    modules: ['kvm_amd'],
  });
  expect(await resolveTarget(changed, { all: true }, fakeHost(), [])).toMatchObject({ modules: [] });
});

test('a kernel of another flavour is not what `all` means', async () => {
  const host = fakeHost({ kernels: [KERNEL, '7.2.12+deb13-cloud-amd64'] });
  expect((await resolveTarget(dependencies(), { all: true }, host, [running('10.0.13')])).kernel).toBe(
    KERNEL,
  );
});

test('a reboot that is ordered needs nothing else to bring', async () => {
  const host = fakeHost({ kernels: [KERNEL] });
  for (const request of [{ handover: 'reboot' }, { kernel: KERNEL, handover: 'kexec' }] as const) {
    expect(await resolveTarget(dependencies(), request, host, [running('11.1.3')])).toMatchObject({
      kernel: KERNEL,
      qemu: null,
      modules: [],
    });
  }
});

test('without a VM that runs there is no QEMU to replace', async () => {
  await expect(resolveTarget(dependencies(), { qemu: '11.1' }, fakeHost(), [])).rejects.toMatchObject({
    code: 'nothing-newer',
    message: 'No VM runs whose QEMU could be replaced.',
  });
});

test.each([
  ['request-invalid', {}, 'An update needs a kernel, a QEMU, modules, or all that is newer.'],
  [
    'qemu-unknown',
    { qemu: '9.0' },
    'There is no QEMU 9.0 on this host. Installed: 11.1.3 (/opt/qemu/bin/qemu-system-x86_64), 10.0.13 (/usr/bin/qemu-system-x86_64).',
  ],
  ['nothing-newer', { kernel: KERNEL }, `Kernel ${KERNEL} runs already.`],
  ['nothing-newer', { all: true }, 'Everything that is installed on this host runs already.'],
])('it is refused with %s', async (code, request, message) => {
  const host = fakeHost({ kernels: [KERNEL] });
  await expect(resolveTarget(dependencies(), request, host, [running('11.1.3')])).rejects.toMatchObject({
    code,
    message,
  });
});
