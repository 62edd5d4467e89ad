import { join } from 'node:path';
import { ExuviaError, formatSize, type SetupResult } from '@exuvia/contract';
import {
  type FileBefore,
  formatAddress,
  formatPmemMemmap,
  restoreFiles,
  sizeOf,
  writeFileDurably,
} from '@exuvia/sys';
import type { Store } from '../kinds.ts';
import { type SetupHost, setupHost } from './host.ts';
import {
  filesBefore,
  noteWritten,
  removeArguments,
  requireBootLoader,
  setFurtherArguments,
} from './loader.ts';
import { planSetup, type SetupPlan } from './plan.ts';
import { isFound, rangeOf, type SetupRecord } from './record.ts';

/** nd_e820 has no device that would make udev load it. */
const MODULES_LOAD = `# Written by \`exuvia setup\`; \`exuvia setup --undo\` removes it.
nd_pmem
nd_e820
`;

export interface Setup {
  /**
   * Sets a store of at least `bytes` up. Idempotent; after `reboot-needed` the agent completes it when it
   * opens the store.
   *
   * @throws ExuviaError `setup-*`, `boot-loader-*`; nothing is changed then.
   */
  run(bytes: number): Promise<SetupResult>;
  /** Gives every changed file its old content. @throws ExuviaError `store-in-use` while VMs' memory is in it. */
  undo(): Promise<SetupResult>;
}

export function createSetup(
  store: Pick<Store, 'open'>,
  host: SetupHost = setupHost(),
  further: () => readonly string[] = () => [],
): Setup {
  return {
    async run(bytes) {
      const record = await host.readRecord();
      const plan = planSetup(bytes, { ...(await host.facts()), record });
      const isThere = plan.kind === 'use' || (plan.kind === 'again' && isFound(plan.record));
      return isThere ? use(store, host, plan, further()) : reserve(store, host, plan, further());
    },
    undo: () => undo(host),
  };
}

/** Takes memory that is there. When the boot loader fails, what was set up before stays. */
async function use(
  store: Pick<Store, 'open'>,
  host: SetupHost,
  plan: SetupPlan,
  further: readonly string[],
): Promise<SetupResult> {
  const previous = await host.readRecord();
  const record = plan.kind === 'again' ? plan.record : await remember(host, plan, []);
  const notes = await setFurtherArguments(host, record, further).catch(async (error: unknown) => {
    await takeBack(host, record, previous);
    throw error;
  });
  return withNotes(await open(store, host, (await host.readRecord()) ?? record), notes);
}

async function takeBack(host: SetupHost, record: SetupRecord, previous: SetupRecord | null): Promise<void> {
  await host.writeRecord(previous ?? { ...record, state: 'undone', before: [] });
}

/** Writes what the next boot needs. The record comes first: whatever happens then can be undone. */
async function reserve(
  store: Pick<Store, 'open'>,
  host: SetupHost,
  plan: SetupPlan,
  further: readonly string[],
): Promise<SetupResult> {
  const region = plan.kind === 'again' ? rangeOf(plan.record) : plan.region;
  const argument = `memmap=${formatPmemMemmap(region)}`;
  const loader = await requireBootLoader(host, argument);
  const modulesLoad = join(host.root, 'etc/modules-load.d/exuvia.conf');
  const files = [...loader.files, modulesLoad];
  const before = await filesBefore(files);
  const previous = await host.readRecord();
  const record = plan.kind === 'again' ? plan.record : await remember(host, plan, before);
  const notes = plan.kind === 'reserve' ? [plan.note] : [];
  try {
    await writeFileDurably(modulesLoad, MODULES_LOAD);
    notes.push(...(await loader.setArguments([argument, ...further])));
  } catch (error) {
    await restoreFiles(before.filter((file) => file.path === modulesLoad));
    await takeBack(host, record, previous);
    throw error;
  }
  return withNotes(await open(store, host, await noteWritten(host, record, [argument, ...further])), notes);
}

function withNotes(result: SetupResult, notes: readonly string[]): SetupResult {
  return { ...result, message: [result.message, ...notes].filter((text) => text !== '').join(' ') };
}

/** A region that the running kernel has already needs no reboot. */
async function open(store: Pick<Store, 'open'>, host: SetupHost, record: SetupRecord): Promise<SetupResult> {
  const status = await store.open();
  const state = status === null ? 'reboot-needed' : ((await host.readRecord())?.state ?? record.state);
  const where = `${formatSize(record.region.size)} at ${formatAddress(record.region.start)}`;
  return {
    ...resultOf(record),
    state,
    message:
      state === 'ready'
        ? `The store is ready: ${where}.`
        : `${where} will be the store after the next reboot. Reboot when it suits you.`,
  };
}

async function remember(
  host: SetupHost,
  plan: Exclude<SetupPlan, { kind: 'again' }>,
  before: readonly FileBefore[],
): Promise<SetupRecord> {
  const record: SetupRecord = {
    version: 1,
    region: { start: plan.region.start, size: sizeOf(plan.region) },
    source: plan.source,
    state: 'reboot-needed',
    found: plan.kind === 'use',
    before: [...before],
  };
  await host.writeRecord(record);
  return record;
}

async function undo(host: SetupHost): Promise<SetupResult> {
  const record = await host.readRecord();
  if (record === null || record.state === 'undone') {
    return {
      state: 'undone',
      region: null,
      source: null,
      changedFiles: [],
      message: 'No store is set up; nothing was changed.',
    };
  }
  const vms = await host.vmsInStore();
  if (vms.length > 0) {
    throw new ExuviaError('store-in-use', `The store holds the memory of ${vms.join(', ')}.`, {
      hint: 'Stop these VMs first: exuvia vm stop NAME',
    });
  }
  await host.unmountStore();
  if (record.before.length > 0) {
    await restoreFiles(await removeArguments(host, record));
  }
  await host.writeRecord({ ...record, state: 'undone', before: [] });
  return {
    ...resultOf(record),
    state: 'undone',
    message: isFound(record)
      ? 'The store is given up.'
      : 'Every changed file is as it was. The memory belongs to the host again after the next reboot.',
  };
}

function resultOf(record: SetupRecord): Pick<SetupResult, 'region' | 'source' | 'changedFiles'> {
  return {
    region: record.region,
    source: record.source,
    changedFiles: record.before.map((file) => file.path),
  };
}
