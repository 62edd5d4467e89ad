import { type Check, ExuviaError, formatSize } from '@exuvia/contract';
import { formatAddress, type Mount, type PmemDevice } from '@exuvia/sys';
import type { StoreStatus } from '../../kinds.ts';
import type { SetupRecord } from '../../setup/index.ts';
import { isAt } from './choose.ts';
import type { StoreContent } from './open.ts';
import { requireDax } from './verify.ts';

export interface StoreFacts {
  /** Why the last attempt to open it failed. */
  readonly problem: ExuviaError | null;
  readonly content: StoreContent | null;
  /** VMs whose saved states came through a start of the firmware. */
  readonly saved: readonly string[];
  readonly mount: Mount | null;
  readonly device: PmemDevice | null;
  readonly status: StoreStatus | null;
  readonly setup: SetupRecord | null;
  /** By VM: the part of its memory that can be mapped with huge pages, 0 to 1. */
  readonly hugeShares: ReadonlyMap<string, number>;
}

/** Below this much of free space the next VM probably does not fit. */
const LOW_BYTES = 128 * 2 ** 20;

/** Judges the store: `store` (there, healthy), `store-dax`, `store-region`, `store-space`, `store-content`,
 * and for each VM `vm-memory-huge-pages`. */
export function storeChecks(facts: StoreFacts): Check[] {
  const { mount, status } = facts;
  if (mount === null || status === null) return [missing(facts)];
  return [
    check('store', 'ok', `${status.device} (${inMib(status.sizeBytes)}) is mounted at ${status.mountPoint}.`),
    dax(mount, facts.device),
    ...region(facts),
    space(status),
    ...contentCheck(facts.saved),
    ...hugePages(facts.hugeShares),
  ];
}

function missing({ problem, setup }: StoreFacts): Check {
  if (problem !== null) return check('store', 'fail', problem.message, problem.hint);
  if (setup?.state === 'reboot-needed') {
    return check(
      'store',
      'fail',
      'The store is set up, but the host has not been rebooted since.',
      'Reboot.',
    );
  }
  if (setup?.state === 'ready') {
    const where = `${formatSize(setup.region.size)} at ${formatAddress(setup.region.start)}`;
    return check(
      'store',
      'fail',
      `The store's memory (${where}) is not there in this boot.`,
      'Was memmap= taken off the kernel command line? Run `exuvia setup --undo`, reboot, and set up again.',
    );
  }
  return check(
    'store',
    'fail',
    'This host has no store for the memory of VMs.',
    'Run `exuvia setup --memory SIZE`, then reboot.',
  );
}

function dax(mount: Mount, device: PmemDevice | null): Check {
  try {
    requireDax(mount, device);
    return check('store-dax', 'ok', `${mount.mountPoint} is mapped directly (dax=always).`);
  } catch (error) {
    if (!(error instanceof ExuviaError)) throw error;
    return check('store-dax', 'fail', error.message, error.hint);
  }
}

/** The region that was set up must be the one that is used: another one is another machine's, or an accident. */
function region({ device, setup }: StoreFacts): Check[] {
  if (device?.region == null) return [];
  const at = `${formatSize(device.sizeBytes)} at ${formatAddress(device.region.start)}`;
  if (setup === null) return [check('store-region', 'ok', `The store is persistent memory, ${at}.`)];
  const wanted = { start: setup.region.start, end: setup.region.start + setup.region.size };
  if (isAt(device, wanted)) return [check('store-region', 'ok', `The store is where setup put it: ${at}.`)];
  return [
    check(
      'store-region',
      'warn',
      `The store is ${at}, but setup says ${formatSize(setup.region.size)} at ${formatAddress(wanted.start)}.`,
      'Run `exuvia setup --undo`, reboot, and set up again.',
    ),
  ];
}

function space(status: StoreStatus): Check {
  const reason = `${inMib(status.freeBytes)} of ${inMib(status.sizeBytes)} is free.`;
  if (status.freeBytes >= LOW_BYTES) return check('store-space', 'ok', reason);
  return check('store-space', 'warn', reason, 'Stop a VM, or set up a larger store.');
}

function contentCheck(saved: readonly string[]): Check[] {
  if (saved.length === 0) return [];
  return [
    check(
      'store-content',
      'warn',
      `The host started through its firmware while saved VMs lay in the store (${saved.join(', ')}); their memory may be damaged.`,
      'exuvia recover takes up those whose state and memory are whole; give the others up: exuvia vm stop NAME',
    ),
  ];
}

/** Below this the guest feels it: every page fault of the host maps 4 KiB instead of 2 MiB. */
const ENOUGH_HUGE = 0.9;

function hugePages(shares: ReadonlyMap<string, number>): Check[] {
  return [...shares].map(([name, share]): Check => {
    const about = { id: 'vm-memory-huge-pages', subject: name };
    const percent = `${Math.floor(share * 100)} %`;
    if (share >= ENOUGH_HUGE) {
      return { ...about, verdict: 'ok', reason: `${percent} of its memory can be mapped with huge pages.` };
    }
    return {
      ...about,
      verdict: 'warn',
      reason: `Only ${percent} of its memory can be mapped with huge pages: the store is fragmented.`,
      remedy: `It runs a little slower. Stop and start it when other VMs are stopped: exuvia vm stop ${name}`,
    };
  });
}

function check(id: string, verdict: Check['verdict'], reason: string, remedy?: string): Check {
  return { id, subject: 'host', verdict, reason, ...(remedy === undefined ? {} : { remedy }) };
}

function inMib(bytes: number): string {
  return formatSize(Math.floor(bytes / 2 ** 20) * 2 ** 20);
}
