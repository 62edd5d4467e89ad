import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { findFiller } from '../arena/filler.ts';
import { type AttachedGuest, attach } from '../attach/attach.ts';
import { type Journal, openJournal } from '../journal/index.ts';
import { openMachine } from '../machine/index.ts';
import type { Context } from './context.ts';
import { knowCode } from './context.ts';
import type { Finding } from './kinds.ts';
import { type Patches, patchesOf } from './patches.ts';
import { settle } from './settle.ts';

/** Where the journals of guests' patches are, unless a test says otherwise. */
export const GUEST_STATE = '/var/lib/exuvia/guests';

export interface OpenOptions {
  /** Folder of this VM's journal. Default: a folder below {@link GUEST_STATE}. */
  readonly state?: string;
  /** The VM's name, for the default folder; without it the QMP socket's path stands for the VM. */
  readonly name?: string;
}

/**
 * Opens the patches of a VM's guest: takes hold of the VM, understands its kernel, reads the journal, and puts
 * right what a killed tool has left: a patch is in the guest as a whole or not at all afterwards.
 *
 * @throws GuestError of openMachine, attach and the journal.
 */
export async function openPatches(qmpPath: string, options: OpenOptions = {}): Promise<Patches> {
  const machine = await openMachine(qmpPath);
  let journal: Journal | null = null;
  try {
    const kernel = await attach(machine.qmp, { writable: true });
    journal = await openJournal(join(stateFolder(qmpPath, options), 'journal'));
    const findings = await beginEpoch(kernel, journal);
    const context: Context = {
      ...{ machine, kernel, journal },
      ...{ watches: new Map(), waiting: new Map(), known: new Map() },
    };
    for (const { plan } of journal.ledger.patches) knowCode(context, plan);
    findings.push(...(await settle(context)));
    return patchesOf(context, findings);
  } catch (error) {
    await journal?.close();
    await machine.close();
    throw error;
  }
}

/** Folder of a VM's journal. */
export function stateFolder(qmpPath: string, { state, name }: OpenOptions): string {
  if (state !== undefined) return state;
  return join(GUEST_STATE, name ?? `qmp-${createHash('sha256').update(qmpPath).digest('hex').slice(0, 16)}`);
}

/** A kernel that has been booted since the journal was written has none of its patches. */
async function beginEpoch(kernel: AttachedGuest, journal: Journal): Promise<Finding[]> {
  const epoch = kernel.bootEpoch();
  const { kernel: known, patches } = journal.ledger;
  if (known?.epoch === epoch && known.buildId === kernel.buildId) return [];
  const { release, buildId } = kernel;
  await journal.append({ kind: 'opened', release, buildId, epoch, filler: findFiller(kernel) });
  if (known === null || patches.length === 0) return [];
  const ids = patches.map(({ plan }) => plan.id);
  return [{ kind: 'guest-restarted', ids, wasRelease: known.release }];
}
