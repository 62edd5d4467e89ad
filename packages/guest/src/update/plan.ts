import { createHash } from 'node:crypto';
import { allocate } from '../arena/allocate.ts';
import { openWindow, planWindow, windowRoom } from '../arena/window.ts';
import { GuestError } from '../errors.ts';
import type { Journal, LedgerPatch, PatchPlan, Restore } from '../journal/index.ts';
import type { GuestKernel, LinkedPatch, PatchPlace } from '../kinds.ts';
import { type LinkTarget, linkPatch, linkSizes, requireAcceptable } from '../link/index.ts';
import type { PatchFile } from '../patch/index.ts';
import { INT3 } from '../support/x86.ts';
import { isMapped } from './changes.ts';
import { planSites } from './sites.ts';

export interface Planned {
  readonly plan: PatchPlan;
  readonly linked: LinkedPatch;
}

export interface PlanOptions {
  /** The file's bytes, for the journal. */
  readonly bytes: Uint8Array;
  /** Takes the place of all patches that are in the guest. */
  readonly replace: boolean;
  readonly at: Date;
}

/**
 * Everything about a patch that can be done while the guest runs and before anything is written to it, but
 * for the window through which patches have data: that is opened here.
 *
 * @throws GuestError `patch-...`, `guest-arena-...`, `guest-site-refused`, `guest-patch-busy`.
 */
export async function planPatch(
  kernel: GuestKernel & LinkTarget,
  journal: Journal,
  patch: PatchFile,
  options: PlanOptions,
): Promise<Planned> {
  requireAcceptable(patch);
  const live = journal.ledger.patches.filter(({ phase }) => phase !== 'retiring');
  const replaced = options.replace ? live : [];
  const place = await findPlace(kernel, journal, patch);
  const linked = linkPatch(patch, kernel, place);
  const replaces = replaced.map(({ plan }) => plan.id);
  const sites = await planSites(kernel, linked, live, replaces);
  const { code, data } = linked;
  const plan: PatchPlan = {
    id: newId(patch.name, journal),
    name: patch.name,
    file: patch.file,
    sha256: sha256(options.bytes),
    at: options.at.toISOString(),
    code: { address: code.address, length: code.bytes.length },
    codeSha256: sha256(code.bytes),
    data: data === null ? null : { address: data.address, length: data.bytes.length },
    sites,
    replaces,
    restores: restoresOf(kernel, replaced, new Set(sites.map(({ oldAddress }) => oldAddress))),
    unwind: { addresses: [...linked.unwind.addresses], entries: linked.unwind.entries },
  };
  return { plan, linked };
}

async function findPlace(kernel: GuestKernel, journal: Journal, patch: PatchFile): Promise<PatchPlace> {
  const { codeBytes, dataBytes } = linkSizes(patch);
  const { ledger } = journal;
  const code = allocate(
    'code',
    ledger.kernel?.filler ?? [],
    ledger.patches.map(({ plan }) => plan.code),
    codeBytes,
  );
  requireFree(kernel, code, codeBytes);
  if (dataBytes === 0) return { code, data: null };
  if (ledger.window === null) await journal.append({ kind: 'window', window: planWindow(kernel) });
  const { window } = journal.ledger;
  if (window === null) throw new GuestError('guest-arena-none', 'The journal did not keep the data window.');
  openWindow(kernel, window);
  const taken = ledger.patches.flatMap(({ plan }) => (plan.data === null ? [] : [plan.data]));
  return { code, data: allocate('data', windowRoom(window), taken, dataBytes) };
}

/** Where the journal knows of no patch there is none: else the guest, or somebody with another journal, has put one there. */
function requireFree({ space }: GuestKernel, address: bigint, length: number): void {
  if (space.read(address, length).every((byte) => byte === INT3)) return;
  throw new GuestError(
    'guest-arena-used',
    `There is code at 0x${address.toString(16)}, where the journal knows of none: the guest was restored from a snapshot with a patch, or is patched with another journal.`,
    { hint: 'Nothing was changed. Restart the guest, or use the journal that its patches are in.' },
  );
}

/** Places that only replaced patches use, and that are still there: the kernel's own bytes come back. */
function restoresOf(
  kernel: GuestKernel,
  replaced: readonly LedgerPatch[],
  kept: ReadonlySet<bigint>,
): Restore[] {
  const restores = new Map<bigint, Restore>();
  for (const site of replaced.flatMap(({ plan }) => plan.sites)) {
    if (kept.has(site.oldAddress) || !isMapped(kernel, site.at, site.jump.length)) continue;
    const { at, jump, original } = site;
    restores.set(site.oldAddress, {
      at,
      expected: jump,
      original: restores.get(site.oldAddress)?.original ?? original,
    });
  }
  return [...restores.values()];
}

/** The patch's name, with a number when that is taken. */
function newId(name: string, { ledger }: Journal): string {
  const base =
    name
      .toLowerCase()
      .replace(/[^a-z0-9._-]/g, '-')
      .replace(/^[^a-z0-9]+/, '')
      .slice(0, 56) || 'patch';
  const taken = new Set(ledger.patches.map(({ plan }) => plan.id));
  for (let number = 2; taken.has(base); number++) {
    if (!taken.has(`${base}-${number}`)) return `${base}-${number}`;
  }
  return base;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
