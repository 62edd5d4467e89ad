import { readFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { Refused } from '@exuvia/client';
import { HOST_PATHS, type VmSpec } from '@exuvia/contract';
import { run } from '@exuvia/sys';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { guestSpec } from '../src/guests/specs.ts';
import { otherKernel, waitForAgent } from '../src/host/agent.ts';
import { labRun } from '../src/host/ssh.ts';
import type { Observer } from '../src/observer/observer.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import {
  ask,
  endOf,
  type HostSnapshot,
  sharedLab,
  snapshotOf,
  untilAtStep,
  watchedGuests,
} from './support/lab.ts';
import { clockBehindMs, expectNeverPaused, putProbe } from './support/paused.ts';

const AGENT_LIMIT_MS = 120_000;
const lab = await sharedLab();
let observer: Observer;
let before: HostSnapshot;
let from: number;
let behind: number;

beforeAll(async () => {
  observer = await watchedGuests(lab);
  await putProbe(lab);
  behind = await clockBehindMs(lab, 'tiny');
  before = await snapshotOf(lab);
});
afterAll(() => observer.stop());

beforeEach(async () => {
  from = (await observer.peek()).now;
});

/** A refusal changes nothing: neither the host nor what the guests feel. */
afterEach(async () => {
  const expected = before;
  before = await snapshotOf(lab);
  expect(before).toEqual(expected);
  await expectGuestsLivedOn(observer, from);
  // An update that gets as far as the pause stops all of them.
  behind = await expectNeverPaused(lab, 'tiny', behind);
});

/** What the agent says when it refuses; anything else fails the test. */
async function refusal(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Refused) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('The agent did not refuse.');
}

async function updateRefusal(): Promise<{ code: string; message: string }> {
  const kernel = await otherKernel(lab);
  return refusal(ask(lab, (client) => client.startUpdate({ kernel })));
}

async function withVm(spec: VmSpec, work: () => Promise<void>): Promise<void> {
  await ask(lab, (client) => client.createVm(spec));
  try {
    await ask(lab, (client) => client.startVm(spec.name));
    await work();
  } finally {
    await ask(lab, (client) => client.destroyVm(spec.name));
  }
}

function tinyNamed(name: string, change: Partial<VmSpec> = {}): VmSpec {
  return { ...guestSpec('tiny', { busyMemory: '512M' }), name, heartbeat: false, ...change };
}

test('a kernel that is not installed', async () => {
  const { kernels } = await ask(lab, (client) => client.host());
  expect(await refusal(ask(lab, (client) => client.startUpdate({ kernel: '9.9' })))).toEqual({
    code: 'kernel-unknown',
    message: `No kernel 9.9 is installed on this host. Installed: ${kernels.join(', ')}.`,
  });
});

test('a VM for which the store has no room', async () => {
  const spec = tinyNamed('huge', { memory: '4G' });
  await ask(lab, (client) => client.createVm(spec));
  const { code, message } = await refusal(ask(lab, (client) => client.startVm('huge')));
  await ask(lab, (client) => client.destroyVm('huge'));
  expect(code).toBe('store-full');
  expect(message).toMatch(/^The memory of VM huge needs 4G in the store, where [0-9]+M is free\.$/);
});

test('an update with a VM whose memory is not in the store', async () => {
  const extraArgs = ['-object', 'memory-backend-ram,id=other,size=128M', '-machine', 'memory-backend=other'];
  await withVm(tinyNamed('stray', { extraArgs }), async () => {
    const { code, message } = await updateRefusal();
    expect(code).toBe('plan-not-executable');
    expect(message).toContain(
      'stray: Its memory is not in /var/lib/exuvia/store/vms/stray/ram: it would be lost with the old kernel',
    );
  });
});

test('an update with a VM whose state QEMU cannot save', async () => {
  const extraArgs = ['-blockdev', 'driver=null-co,node-name=none', '-device', 'nvme,drive=none,serial=1'];
  await withVm(tinyNamed('blocked', { extraArgs }), async () => {
    const { code, message } = await updateRefusal();
    expect(code).toBe('plan-not-executable');
    expect(message).toMatch(/blocked: QEMU cannot save its state: .*nvme/);
  });
});

test.each([
  ['is damaged', 'this is no record'],
  ['is of another version', '{"v":2,"kind":"begin"}'],
])('an update while the journal %s', async (_, line) => {
  const journal = HOST_PATHS.journal;
  await labRun(lab, `cp -a ${journal} ${journal}.kept; echo '${line}' >> ${journal}`);
  const number = Number((await labRun(lab, `wc -l < ${journal}`)).stdout);
  await labRun(lab, 'systemctl restart exuvia-agent');
  try {
    await waitForAgent(lab, AGENT_LIMIT_MS);
    const { code, message } = await updateRefusal();
    expect(code).toBe('journal-invalid');
    expect(message).toMatch(new RegExp(`^${journal}, line ${number} .*\\.$`));
    expect((await ask(lab, (client) => client.vms())).map(({ state }) => state)).toEqual([
      'running',
      'running',
      'running',
    ]);
  } finally {
    await labRun(lab, `mv ${journal}.kept ${journal}; systemctl restart exuvia-agent`);
    await waitForAgent(lab, AGENT_LIMIT_MS);
  }
});

test.each([
  ['is damaged', 'name: [', /^\/etc\/exuvia\/vms\/broken\.yaml is not valid YAML\.$/],
  [
    'is of another version',
    'version: 2\\nname: broken\\nmemory: 128M\\nboot: {firmware: /x}',
    /^\/etc\/exuvia\/vms\/broken\.yaml: version .*\.$/,
  ],
])('a VM whose spec %s', async (_, text, expected) => {
  const file = `${HOST_PATHS.specs}/broken.yaml`;
  await labRun(lab, `printf '${text}' > ${file}`);
  try {
    const { code, message } = await refusal(ask(lab, (client) => client.startVm('broken')));
    expect(code).toBe('spec-invalid');
    expect(message).toMatch(expected);
  } finally {
    await labRun(lab, `rm ${file}`);
  }
});

test('a second update while one runs', async () => {
  const kernel = await otherKernel(lab);
  const fault = { step: 'copy-qemu', action: 'hold', when: 'before' } as const;
  const { id } = await ask(lab, (client) => client.startUpdate({ kernel, fault }));
  await untilAtStep(lab, id, 'copy-qemu');
  expect(await updateRefusal()).toEqual({ code: 'update-running', message: `Update ${id} is running.` });
  await ask(lab, (client) => client.abort(id));
  expect((await endOf(lab, id)).state).toBe('aborted');
});

test('VMs whose names are paths, or shell', async () => {
  for (const name of ['../evil', 'a/b', 'a;reboot', 'a b', 'A', '$(id)', 'x'.repeat(32), '']) {
    const { code } = await refusal(ask(lab, (client) => client.createVm(tinyNamed(name))));
    expect(code, name).toMatch(/^(request|spec|body)-invalid$/);
  }
  expect((await labRun(lab, `ls ${HOST_PATHS.specs}`)).stdout).toBe('busy.yaml\ndisk.yaml\ntiny.yaml');
});

test('questions about VMs whose names are paths, or shell', async () => {
  for (const name of ['../agent', '%2e%2e', 'a;reboot']) {
    const { code } = await refusal(ask(lab, (client) => client.vm(name)));
    expect(code, name).toMatch(/^(request-invalid|vm-name-invalid|vm-unknown|route-unknown)$/);
  }
});

test('clients without a certificate, and with one of another authority; one with the right certificate is let in', async () => {
  await expect(statusWith({})).rejects.toThrow(/certificate required|socket hang up|ECONNRESET/);
  const other = await foreignCertificate();
  await expect(statusWith(other)).rejects.toThrow(/unknown ca|certificate|socket hang up|ECONNRESET/);
  const [cert, key] = await Promise.all([readFile(lab.clientCert), readFile(lab.clientKey)]);
  expect(await statusWith({ cert, key })).toBe(200);
});

async function statusWith(credentials: { cert?: Buffer; key?: Buffer }): Promise<number> {
  const ca = await readFile(lab.ca);
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: lab.agentPort, path: '/v1/host', ca, ...credentials };
    const asked = httpsRequest(options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.once('error', reject);
    asked.end();
  });
}

async function foreignCertificate(): Promise<{ cert: Buffer; key: Buffer }> {
  const subject = ['-subj', '/CN=stranger', '-days', '1', '-noenc'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-keyout', '-', '-out', '-'];
  const { stdout } = await run('openssl', ['req', '-x509', ...key, ...subject]);
  const pem = Buffer.from(stdout);
  return { cert: pem, key: pem };
}
