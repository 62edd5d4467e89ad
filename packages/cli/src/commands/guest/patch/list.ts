import type { Finding, PatchStatus } from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../../exit.ts';
import type { Io } from '../../../io.ts';
import { show, table } from '../../../print.ts';
import type { Invocation } from '../../../program.ts';
import { targetOf } from '../target.ts';
import { type PatchOptions, withPatches } from './open.ts';
import { adviceFor, renderFinding, renderState } from './render-state.ts';

/** The patches that are in a guest, and the threads that they wait for. */
export async function list(invocation: Invocation<PatchOptions>): Promise<ExitStatus> {
  const found = await look(invocation);
  show(invocation.io, invocation.options, found, () => renderAll(found, invocation.io));
  return EXIT.ok;
}

/** The same, and says what can be done; fails when something is not as it should be. */
export async function reconcile(invocation: Invocation<PatchOptions>): Promise<ExitStatus> {
  const found = await look(invocation);
  show(invocation.io, invocation.options, found, () => {
    const advice = found.patches.find(({ waitingFor }) => waitingFor.length > 0);
    return renderAll(found, invocation.io) + (advice === undefined ? '' : adviceFor(advice));
  });
  return found.findings.some(({ kind }) => kind === 'damaged') ? EXIT.failed : EXIT.ok;
}

interface Found {
  readonly patches: readonly PatchStatus[];
  readonly findings: readonly Finding[];
}

/** Puts right what a killed tool has left, and looks whether threads have left what was replaced. */
async function look(invocation: Invocation<PatchOptions>): Promise<Found> {
  return withPatches(await targetOf(invocation), invocation.options, async (patches) => {
    const advanced = await patches.reconcile();
    const known = new Set(patches.findings.map((finding) => JSON.stringify(finding)));
    const more = advanced.filter((finding) => !known.has(JSON.stringify(finding)));
    return { patches: patches.list(), findings: [...patches.findings, ...more] };
  });
}

function renderAll({ patches, findings }: Found, io: Io): string {
  const notes = findings.map((finding) => `${renderFinding(finding)}\n`).join('');
  if (patches.length === 0) return `${notes}The guest has no patches.\n`;
  const rows = patches.map((patch) => [
    patch.id,
    renderState(patch),
    patch.functions.map(renderFunction).join(', '),
    String(patch.codeBytes + patch.dataBytes),
    patch.appliedAt,
  ]);
  return notes + table(['patch', 'state', 'functions', 'bytes', 'applied'], rows, io);
}

function renderFunction({ object, name, position, coveredBy }: PatchStatus['functions'][number]): string {
  const where = object === 'vmlinux' ? '' : `${object}:`;
  const which = position === 0 ? '' : `,${position}`;
  return `${where}${name}${which}${coveredBy === null ? '' : ` (below ${coveredBy})`}`;
}
