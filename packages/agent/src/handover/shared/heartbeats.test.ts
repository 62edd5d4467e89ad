import type { Heartbeat, VmSpec } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { fakeVm } from '../../testing/fakes.ts';
import { heartbeatAfter, noteHeartbeats } from './heartbeats.ts';

/** A guest whose page can be looked at: it beats with every look, unless it hangs. */
class Guest {
  sequence = 100n;
  bootId = '5d4a7c6e-0000-4000-8000-000000000001';
  hangs = false;

  heartbeat = async (name: string): Promise<Heartbeat> => {
    if (!this.hangs) this.sequence += 1n;
    const { sequence, bootId } = this;
    return {
      ...{ sequence, bootId, name, monotonicNs: sequence, realtimeNs: sequence },
      ...{ verified: 0n, errors: 0n, written: 0n, clockBackwards: 0n },
    };
  };
}

function update() {
  const memory = new Map<string, unknown>();
  const said: string[] = [];
  return {
    said,
    log: (message: string) => said.push(message),
    remember: async (key: string, value: unknown) => void memory.set(key, value),
    recall: async (key: string) => memory.get(key),
  };
}

const spec = { ...fakeVm('web').spec, heartbeat: true } as VmSpec;
const web = fakeVm('web', { spec });

test('a guest that beats on has its heartbeat verified', async () => {
  const guest = new Guest();
  const context = update();
  await noteHeartbeats(guest, context, [web]);
  expect(context.said).toEqual([]);
  expect(await heartbeatAfter(guest, context, 'web')).toEqual({ bootIdSame: true, heartbeatContinued: true });
});

test('one that hung between the note and its pause has not lived on, however long it beat until then', async () => {
  const guest = new Guest();
  const context = update();
  await noteHeartbeats(guest, context, [web]);
  guest.sequence += 1000n;
  guest.hangs = true;
  expect(await heartbeatAfter(guest, context, 'web', 300)).toEqual({
    bootIdSame: true,
    heartbeatContinued: false,
  });
});

test('one that is silent before the update is taken along, and the log says so', async () => {
  const guest = new Guest();
  const context = update();
  guest.hangs = true;
  await noteHeartbeats(guest, context, [web], 300);
  expect(context.said).toEqual([expect.stringContaining('VM web: its heart does not beat')]);
  const after = () => heartbeatAfter(guest, context, 'web', 300);
  expect(await after()).toEqual({ bootIdSame: true, heartbeatContinued: null });
  guest.hangs = false;
  expect(await after()).toEqual({ bootIdSame: true, heartbeatContinued: true });
});

test('one that is another boot is not the guest that was noted; one without a page says nothing', async () => {
  const guest = new Guest();
  const context = update();
  await noteHeartbeats(guest, context, [web]);
  guest.bootId = '5d4a7c6e-0000-4000-8000-000000000002';
  expect(await heartbeatAfter(guest, context, 'web')).toMatchObject({ bootIdSame: false });
  const none = { bootIdSame: null, heartbeatContinued: null };
  expect(await heartbeatAfter(guest, context, 'other')).toEqual(none);
});
