import { expect, test } from 'vitest';
import { chooseMethod, type MethodInputs } from './method.ts';

const OLD = ['normal', 'cpr-reboot', 'cpr-transfer'];
const NEW = [...OLD, 'cpr-exec'];
const qemu = (version: string, migrationModes = OLD) => ({
  ...{ version, migrationModes, package: '', binary: '/usr/bin/qemu-system-x86_64' },
});
const inputs = (from: string, to: string, change: Partial<MethodInputs> = {}): MethodInputs => ({
  running: { ...qemu(from), pid: 1 },
  target: qemu(to),
  commandLine: ['-machine', 'pc-q35-10.0,memory-backend=ram0,aux-ram-share=on'],
  ordered: null,
  ...change,
});

test('a newer QEMU takes a VM over while it runs', () => {
  expect(chooseMethod(inputs('10.0.13', '11.1.3'))).toEqual({
    method: 'cpr-transfer',
    reason: 'The new QEMU is ready before it pauses.',
    obstacle: null,
  });
});

test.each([
  [
    'an older one cannot',
    inputs('11.1.3', '10.0.13'),
    'QEMU 10.0.13 does not understand how QEMU 11.1.3 hands a running VM over.',
  ],
  [
    'a VM without shared memory cannot be',
    inputs('10.0.13', '11.1.3', { commandLine: ['-machine', 'pc-q35-10.0'] }),
    'It was started without aux-ram-share=on.',
  ],
  [
    'a VM with a vsock address cannot be',
    inputs('10.0.13', '11.1.3', {
      commandLine: ['-device', '{"driver":"vhost-vsock-pci","guest-cid":7}'],
    }),
    'Its vsock address can be held by one QEMU at a time only.',
  ],
  [
    'an old QEMU cannot',
    inputs('9.2.0', '11.1.3', { running: { ...qemu('9.2.0', ['normal', 'cpr-reboot']), pid: 1 } }),
    'QEMU 9.2.0 cannot hand a running VM over.',
  ],
])('%s: its state is saved beside its memory, and the plan says why', (_, given, why) => {
  expect(chooseMethod(given)).toEqual({
    method: 'in-place',
    reason: `Not by cpr-transfer: ${why} So its device state is saved beside its memory, and it stands still while the new QEMU starts.`,
    obstacle: null,
  });
  expect(chooseMethod({ ...given, ordered: 'cpr-transfer' }).obstacle).toBe(why);
});

const exec = (change: Partial<MethodInputs> = {}) =>
  inputs('11.1.3', '11.1.4', {
    running: { ...qemu('11.1.3', NEW), pid: 1 },
    target: qemu('11.1.4', NEW),
    ordered: 'cpr-exec',
    ...change,
  });

test.each([
  ['it can', exec(), null],
  [
    'one of them cannot',
    exec({ running: { ...qemu('10.0.13'), pid: 1 } }),
    'QEMU 10.0.13 does not have cpr-exec.',
  ],
  [
    'its sandbox forbids it',
    exec({ commandLine: ['-sandbox', 'on,spawn=deny'] }),
    'Its QEMU may not execute another program; set `allowExec` in /etc/exuvia/agent.yaml, stop and start the VM.',
  ],
])('cpr-exec by order: %s', (_, given, obstacle) => {
  expect(chooseMethod(given)).toMatchObject({ method: 'cpr-exec', obstacle });
});
