import { dirname } from 'node:path';
import { nicsOf, type PlanRequest } from '@exuvia/contract';
import { type LanClient, namespacesMissing, startLanClient } from '@exuvia/sys/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LAN, lanGuestSpec } from '../src/guests/specs.ts';
import { otherKernel } from '../src/host/agent.ts';
import { labRun } from '../src/host/ssh.ts';
import { HOST_QEMU, newQemuOf } from '../src/image/qemus.ts';
import { ask, endOf, sharedLab } from './support/lab.ts';
import { type Lan, openSsh, plugIntoLan, type SshSession } from './support/lan.ts';

const REBUILT = '/opt/qemu-rebuilt/usr/bin/qemu-system-x86_64';
const BOOT_LIMIT_MS = 240_000;
const LIMIT_MS = 120_000;
/** A guest and a client say one every 5 ms: enough for several seconds without a gap. */
const LINES = 300;

type Name = 'wire' | 'ring';

const missing = namespacesMissing();
if (missing !== null) console.warn(`The connections of guests are not tested: ${missing}`);

describe.skipIf(missing !== null)('guests on the bridge of a host, and a client outside', async () => {
  const lab = await sharedLab();
  let lan: Lan;
  const clients = new Map<Name, LanClient>();
  let session: SshSession;

  beforeAll(async () => {
    await labRun(lab, 'for vm in tiny disk busy; do exuvia vm stop $vm --timeout 1; done 2>&1; true');
    lan = await plugIntoLan();
    await connect('wire');
    session = openSsh(lab, lan, LAN.wire.guest);
    expect(await session.ask('begin', BOOT_LIMIT_MS)).toBe('heard begin');
  });
  afterAll(async () => {
    session.close();
    for (const [name, client] of clients) {
      client.kill();
      await ask(lab, (api) => api.destroyVm(name));
    }
    await lan.remove();
  });

  async function connect(name: Name): Promise<void> {
    await ask(lab, (api) => api.createVm(lanGuestSpec(name)));
    await ask(lab, (api) => api.startVm(name));
    const client = startLanClient(lan.namespace, LAN[name].guest, LAN[name].client);
    clients.set(name, client);
    await client.more(LINES, BOOT_LIMIT_MS);
  }

  /** Updates the host while all of them talk; afterwards they still do, and have been announced. */
  async function update(request: PlanRequest): Promise<void> {
    lan.announced();
    const { id } = await ask(lab, (api) => api.startUpdate(request));
    expect(await endOf(lab, id)).toMatchObject({ state: 'completed', reason: null });
    for (const client of clients.values()) await client.more(LINES, LIMIT_MS);
    expect(await session.ask(id, LIMIT_MS)).toBe(`heard ${id}`);
    const announced = new Set(lan.announced());
    for (const name of clients.keys()) expect(announced).toContain(macOf(name));
  }

  const macOf = (name: Name) => nicsOf(lanGuestSpec(name))[0]?.mac;
  const tapOf = (name: Name) => nicsOf(lanGuestSpec(name))[0]?.tap?.name ?? '';
  const carrierChanges = async (name: Name) =>
    (await labRun(lab, `cat /sys/class/net/${tapOf(name)}/carrier_changes`)).stdout;

  test('another QEMU takes its place: the tap is never down', async () => {
    const before = await carrierChanges('wire');
    await update({ qemu: newQemuOf(lab), handover: 'vmm' });
    expect(await carrierChanges('wire')).toBe(before);
  });

  test('back beside its memory, where its QEMU ends first', async () => {
    await update({ qemu: HOST_QEMU, handover: 'vmm' });
  });

  test('with virtio another QEMU of the same build, as a security update brings it', async () => {
    await connect('ring');
    await labRun(lab, `mkdir -p ${dirname(REBUILT)} && cp ${HOST_QEMU} ${REBUILT}`);
    const changes = async () => [await carrierChanges('wire'), await carrierChanges('ring')];
    const before = await changes();
    await update({ qemu: REBUILT, handover: 'vmm' });
    expect(await changes()).toEqual(before);
  });

  test('the modules of KVM are loaded anew', async () => {
    await update({ modules: ['kvm'] });
  });

  test('the host gets another kernel: its bridge and taps are there again, and its own address', async () => {
    await update({ kernel: await otherKernel(lab), handover: 'kexec' });
    await lan.reachesHost(LIMIT_MS);
    const { stdout: ports } = await labRun(lab, 'ls /sys/class/net/br0/brif');
    expect(ports.split('\n')).toEqual(['eth1', tapOf('ring'), tapOf('wire')].sort());
    const { stdout: early } = await labRun(lab, 'cat /run/exuvia/restore/record');
    expect(early).toMatch(/^stamp connected eth1 \d+$/m);
    // systemd-networkd has taken over what it found: nothing went down.
    for (const name of clients.keys()) expect(await carrierChanges(name)).toBe('0');
    expect((await labRun(lab, 'networkctl list --no-legend br0')).stdout).toMatch(
      / bridge +routable +configured$/,
    );
  });

  test('the machine is started again through its firmware, the guests saved on its disk', async () => {
    await update({ kernel: await otherKernel(lab), handover: 'reboot' });
    await lan.reachesHost(LIMIT_MS);
  });

  test('every line has come once and in order, both ways, on connections of either side', async () => {
    expect(await session.ask('end', LIMIT_MS)).toBe('heard end');
    for (const client of clients.values()) {
      const seen = await client.finish();
      expect(seen).toHaveLength(2);
      for (const { sent, wrong, heard, misheard, end } of seen) {
        expect({ wrong, heard, misheard, end }).toEqual({
          wrong: 0,
          heard: sent,
          misheard: 0,
          end: 'closed',
        });
      }
    }
  });

  test('what is left of a VM that is destroyed is no tap', async () => {
    await ask(lab, (api) => api.destroyVm('ring'));
    clients.delete('ring');
    const { stdout } = await labRun(lab, 'ls /sys/class/net');
    expect(stdout.split('\n')).not.toContain(tapOf('ring'));
    expect(stdout.split('\n')).toContain(tapOf('wire'));
  });
});
