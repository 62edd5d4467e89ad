import { vmPaths, vmSpecSchema } from '@exuvia/contract';
import { expect, test } from 'vitest';
import type { Instance } from './instance.ts';
import { type Reality, stateOf, toVm } from './reality.ts';

const spec = vmSpecSchema.parse({ name: 'web', memory: '256M', boot: { kernel: '/k' } });
const instance: Instance = {
  version: 1,
  spec,
  commandLine: ['/usr/bin/qemu'],
  startedAt: '2026-11-21T10:00:00.000Z',
};
const NOTHING: Reality = {
  instance: null,
  instanceProblem: null,
  process: null,
  status: null,
  qemu: null,
  saved: false,
  lastLogLine: null,
};
const ALIVE = { ...NOTHING, instance, process: { pid: 7, locked: true } };

test.each<[string, Reality, { state: string; reason: string | null }]>([
  ['nothing of it', NOTHING, { state: 'stopped', reason: null }],
  ['a running guest', { ...ALIVE, status: 'running' }, { state: 'running', reason: null }],
  [
    'a stopped guest',
    { ...ALIVE, status: 'postmigrate' },
    { state: 'paused', reason: 'QEMU says: postmigrate.' },
  ],
  [
    'a loading guest',
    { ...ALIVE, status: 'inmigrate' },
    { state: 'paused', reason: 'QEMU says: inmigrate.' },
  ],
  [
    'a panicked guest',
    { ...ALIVE, status: 'guest-panicked' },
    { state: 'failed', reason: 'QEMU says: guest-panicked.' },
  ],
  ['a silent QEMU', ALIVE, { state: 'failed', reason: 'QEMU (pid 7) does not answer on its monitor.' }],
  ['a dead QEMU', { ...NOTHING, instance }, { state: 'failed', reason: 'Its QEMU has ended.' }],
  [
    'a dead QEMU that said why',
    { ...NOTHING, instance, lastLogLine: 'qemu: no space' },
    { state: 'failed', reason: 'Its QEMU has ended. Its log ends with: qemu: no space' },
  ],
  [
    'a saved VM',
    { ...NOTHING, instance, saved: true },
    { state: 'failed', reason: 'It was saved for an update and has not been restored.' },
  ],
  [
    'a damaged instance file',
    { ...NOTHING, instanceProblem: 'It is damaged.' },
    { state: 'failed', reason: 'It is damaged.' },
  ],
])('%s', (_, reality, expected) => {
  expect(stateOf(reality)).toEqual(expected);
});

test('a running VM has the spec that it was started with, a stopped one that of its file', () => {
  const edited = { ...spec, vcpus: 4 };
  const paths = vmPaths('web');
  expect(toVm('web', edited, { ...ALIVE, status: 'running', qemu: '10.0.13' }, paths)).toEqual({
    name: 'web',
    state: 'running',
    spec,
    pid: 7,
    scope: 'exuvia-vm-web.scope',
    startedAt: '2026-11-21T10:00:00.000Z',
    ramFile: '/var/lib/exuvia/store/vms/web/ram',
    console: '/run/exuvia/vms/web/console.sock',
    qemu: '10.0.13',
  });
  expect(toVm('web', edited, NOTHING, paths)).toEqual({
    name: 'web',
    state: 'stopped',
    spec: edited,
    pid: null,
    scope: null,
    startedAt: null,
    ramFile: null,
    console: null,
    qemu: null,
  });
});
