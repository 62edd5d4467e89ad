import {
  ExuviaError,
  type HandoverKind,
  type Host,
  type PlanRequest,
  type QemuTarget,
} from '@exuvia/contract';
import { compareReleases } from '@exuvia/sys';
import type { PlanTarget, RunningQemu } from '../kinds.ts';
import { chooseKernel, kernelUnknown, sameFlavour } from './kernel.ts';
import type { InstalledQemu, Software } from './software.ts';

export interface TargetDependencies {
  readonly software: Software;
  aptLine(kernel: string, running: string): Promise<string | null>;
}

/**
 * Looks up what a request means on this host. `all` is everything that is installed and newer than what runs; a reboot that
 * is ordered needs nothing else.
 *
 * @param running the QEMUs that VMs run in
 * @throws ExuviaError `request-invalid`, `kernel-unknown`, `qemu-unknown`, `qemu-missing`, `nothing-newer`.
 */
export async function resolveTarget(
  dependencies: TargetDependencies,
  request: PlanRequest,
  host: Host,
  running: readonly RunningQemu[],
): Promise<PlanTarget> {
  const { software } = dependencies;
  const { kernel: wanted, qemu, modules, all = false, method = null, handover } = request;
  if (wanted === undefined && qemu === undefined && modules === undefined && !all && handover !== 'reboot') {
    throw new ExuviaError(
      'request-invalid',
      'An update needs a kernel, a QEMU, modules, or all that is newer.',
      {
        hint: 'See `exuvia update --help`.',
      },
    );
  }
  const kernel =
    wanted === undefined
      ? all
        ? newestKernel(host)
        : host.kernel
      : await requestedKernel(dependencies, wanted, host);
  const installed = await software.qemus();
  const newQemu =
    qemu === undefined
      ? all
        ? newestQemu(installed, running)
        : null
      : await requestedQemu(software, qemu, installed);
  // A new kernel brings its own modules.
  const changed =
    all && modules === undefined && kernel === host.kernel ? await software.changedModules() : [];
  const target = { kernel, qemu: newQemu, modules: modules ?? changed, method };
  requireChange(target, host, running, { all, ordered: handover });
  return target;
}

/** Nobody's VMs stand still for nothing. */
function requireChange(
  target: PlanTarget,
  host: Host,
  running: readonly RunningQemu[],
  { all, ordered }: { readonly all: boolean; readonly ordered: HandoverKind | undefined },
): void {
  const { kernel, qemu, modules } = target;
  if (kernel !== host.kernel || modules.length > 0) return;
  // To start the same kernel anew is a change when it is ordered: firmware and microcode may be others.
  if (!all && (ordered === 'reboot' || ordered === 'kexec')) return;
  if (qemu !== null && running.length > 0) return;
  if (qemu !== null)
    throw nothingNewer('No VM runs whose QEMU could be replaced.', 'Start one: `exuvia vm start`.');
  throw all
    ? nothingNewer(
        'Everything that is installed on this host runs already.',
        'apt update && apt upgrade installs what is newer.',
      )
    : nothingNewer(
        `Kernel ${kernel} runs already.`,
        'To start it anew all the same, order it: `--handover kexec`, or `--handover reboot`, in which firmware runs too.',
      );
}

function nothingNewer(message: string, hint: string): ExuviaError {
  return new ExuviaError('nothing-newer', message, { hint });
}

async function requestedKernel(
  { aptLine }: TargetDependencies,
  requested: string,
  host: Host,
): Promise<string> {
  const kernel = chooseKernel(requested, host.kernels, host.kernel);
  if (kernel !== null) return kernel;
  throw kernelUnknown(requested, host.kernels, await aptLine(requested, host.kernel));
}

/** Of the running kernel's flavour: an update never turns a cloud kernel into another one. */
function newestKernel(host: Host): string {
  const candidates = host.kernels
    .filter((release) => sameFlavour(release, host.kernel))
    .sort(compareReleases);
  const newest = candidates.at(-1);
  return newest !== undefined && compareReleases(newest, host.kernel) > 0 ? newest : host.kernel;
}

async function requestedQemu(
  software: Software,
  requested: string,
  installed: readonly InstalledQemu[],
): Promise<QemuTarget> {
  if (requested.startsWith('/')) return asTarget(await software.qemuAt(requested));
  const found = installed
    .filter(({ version }) => version === requested || version.startsWith(`${requested}.`))
    .sort(byVersion)
    .at(-1);
  if (found !== undefined) return asTarget(found);
  const names = installed.map(({ version, binary }) => `${version} (${binary})`).join(', ');
  throw new ExuviaError(
    'qemu-unknown',
    `There is no QEMU ${requested} on this host. Installed: ${names === '' ? 'none' : names}.`,
    { hint: 'Install it, or name it in `qemus` of /etc/exuvia/agent.yaml, or give its path.' },
  );
}

/** `null` when every VM runs in the newest, or none runs. */
function newestQemu(installed: readonly InstalledQemu[], running: readonly RunningQemu[]): QemuTarget | null {
  const newest = [...installed].sort(byVersion).at(-1);
  if (newest === undefined) return null;
  const behind = running.some(
    (one) =>
      numbers.compare(one.version, newest.version) < 0 ||
      (one.version === newest.version && one.package !== newest.package),
  );
  return behind ? asTarget(newest) : null;
}

const numbers = new Intl.Collator('en', { numeric: true });

function byVersion(a: InstalledQemu, b: InstalledQemu): number {
  return numbers.compare(a.version, b.version) || numbers.compare(a.package, b.package);
}

function asTarget({ binary, version, package: packageVersion }: InstalledQemu): QemuTarget {
  return { binary, version, package: packageVersion };
}
