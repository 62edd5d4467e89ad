import type { HeartbeatBody, Report } from '@exuvia/contract';
import { type Ledger, type ReportStore, sentenceOf } from '../engine/index.ts';
import type { HeartbeatReader } from '../heartbeat/index.ts';
import { isEnded } from '../journal/index.ts';
import type { RunningQemu, VmManager } from '../kinds.ts';

/** So many updates back are looked at for what the next one will cost. */
const RECENT = 50;

/** The reports of the newest ended updates, oldest first. One that cannot be read is logged and left out. */
export async function recentReports(
  ledger: Ledger,
  reports: ReportStore,
  log: (message: string) => void,
): Promise<Report[]> {
  const ended = ledger.list().filter((state) => isEnded(state.view.state));
  const read = ended.slice(0, RECENT).map(({ plan }) =>
    reports.read(plan.id).catch((error: unknown) => {
      log(sentenceOf(error));
      return null;
    }),
  );
  return (await Promise.all(read)).filter((report) => report !== null).reverse();
}

/** Looks a VM's heartbeat up, in the form in which the API gives it. */
export function heartbeatOf(
  vms: Pick<VmManager, 'get'>,
  reader: HeartbeatReader,
): (name: string) => Promise<HeartbeatBody | null> {
  return async (name) => {
    const { ramFile } = await vms.get(name);
    const beat = ramFile === null ? null : await reader.read(name, ramFile);
    if (beat === null) return null;
    return {
      name: beat.name,
      bootId: beat.bootId,
      sequence: String(beat.sequence),
      monotonicNs: String(beat.monotonicNs),
      realtimeNs: String(beat.realtimeNs),
      verified: String(beat.verified),
      errors: String(beat.errors),
      written: String(beat.written),
      clockBackwards: String(beat.clockBackwards),
    };
  };
}

/** The QEMUs that VMs run in, by the VM's name. One that does not answer is left out. */
export async function runningQemus(
  vms: Pick<VmManager, 'list' | 'runningQemu'>,
): Promise<ReadonlyMap<string, RunningQemu>> {
  const alive = (await vms.list()).filter(({ pid }) => pid !== null);
  const found = await Promise.all(
    alive.map(async ({ name }) => [name, await vms.runningQemu(name).catch(() => null)] as const),
  );
  return new Map(found.flatMap(([name, qemu]) => (qemu === null ? [] : [[name, qemu] as const])));
}
