import { join } from 'node:path';
import type { Vm } from '@exuvia/contract';
import { readIfExists, writeFileDurably } from '@exuvia/sys';
import { type Engine, type ReportStore, sentenceOf } from '../engine/index.ts';
import type { Log } from '../http/services.ts';
import type { Journal } from '../journal/index.ts';
import { type Recovery, recover } from '../recovery/index.ts';
import type { Parts } from './parts.ts';

export interface StartUp {
  readonly parts: Parts;
  readonly journal: Journal;
  readonly engine: Engine;
  readonly reports: ReportStore;
  readonly runtime: string;
  readonly log: Log;
  allowFaultInjection(): boolean;
}

/**
 * What an agent does once, after it has begun to serve: mounts the store, finds the VMs that run, deals with
 * an update that was left open, and, in the first agent of a boot, starts the VMs that are to start by
 * themselves. One part's failure is logged and does not keep the others from happening. Never throws.
 */
export async function startUp(context: StartUp): Promise<void> {
  const { parts, journal, log } = context;
  await attempt(log, 'The store could not be opened', () => parts.store.open());
  await attempt(log, 'The running VMs could not be adopted', () => parts.vms.adopt());
  if (journal.problem !== null) {
    log.error(
      { err: journal.problem },
      'The journal cannot be trusted: nothing is recovered, started or scrubbed.',
    );
    return;
  }
  const recovered = await attempt(log, 'What an update left could not be dealt with', () =>
    recover({
      engine: context.engine,
      reports: context.reports,
      allowFaultInjection: context.allowFaultInjection,
      bootId: parts.bootId,
      handovers: parts.handovers,
      vms: parts.vms,
      kill: parts.kill,
      log: (message) => log.info({}, message),
    }),
  );
  if (recovered === null) return;
  await attempt(log, 'What a restart left in the store could not be removed', () =>
    parts.store.judgeReset(false),
  );
  const crashLoop = await attempt(log, 'What a crash of the kernel left could not be dealt with', () =>
    parts.crash.takeUp(parts.bootId),
  );
  await attempt(log, 'Memory that belongs to no VM could not be scrubbed', () => scrub(context, recovered));
  await attempt(log, 'VMs could not be started', () =>
    // A crash that could not be dealt with may be one of many.
    autostart(context, { recovered, crashLoop: crashLoop ?? true }),
  );
  await attempt(log, 'The crash kernel could not be loaded', () => parts.crash.arm());
  await attempt(log, 'The loaded modules could not be kept', () => parts.keepModules());
}

/** After a boot without a jump what runs has a use for its memory, and what was saved; else every VM that there is. */
async function scrub(context: StartUp, recovered: Recovery['kind']): Promise<void> {
  const { parts, log } = context;
  const vms = await parts.vms.list();
  const jumped = recovered === 'finish' || !(await isFirstInBoot(context));
  const keep = jumped ? vms : vms.filter((vm) => isAlive(vm) || vm.saved === true);
  const scrubbed = await parts.store.scrubOrphans(new Set(keep.map((vm) => vm.name)));
  if (scrubbed.length > 0) log.info({ vms: scrubbed }, 'Memory that belonged to no VM was scrubbed.');
}

async function autostart(
  context: StartUp,
  { recovered, crashLoop }: { readonly recovered: Recovery['kind']; readonly crashLoop: boolean },
): Promise<void> {
  const { parts, log } = context;
  if (!(await isFirstInBoot(context))) return;
  // Before the first VM: an agent that dies here must not start again what somebody stops meanwhile.
  await writeFileDurably(markerOf(context), parts.bootId);
  // After a jump the host is as it was: a VM that did not run before does not run now.
  if (recovered === 'finish' || crashLoop) return;
  const waiting = (await parts.vms.list()).filter(
    (vm) => vm.spec.autostart && !isAlive(vm) && vm.saved !== true,
  );
  for (const { name } of waiting.sort((a, b) => a.spec.priority - b.spec.priority)) {
    await attempt(log, `VM ${name} could not be started`, () => parts.vms.start(name));
  }
}

function isAlive(vm: Vm): boolean {
  return vm.state === 'running' || vm.state === 'paused';
}

async function isFirstInBoot(context: StartUp): Promise<boolean> {
  return (await readIfExists(markerOf(context))) !== context.parts.bootId;
}

function markerOf({ runtime }: StartUp): string {
  return join(runtime, 'autostarted');
}

async function attempt<Result>(
  log: Log,
  failure: string,
  work: () => Promise<Result>,
): Promise<Result | null> {
  try {
    return await work();
  } catch (error) {
    log.error({ err: error }, `${failure}: ${sentenceOf(error)}`);
    return null;
  }
}
