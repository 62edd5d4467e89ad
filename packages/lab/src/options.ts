import { type ExuviaError, parseSize } from '@exuvia/contract';
import { findRegion, type RegionResult } from '@exuvia/sys';
import { memoryProblem } from './guests/memory.ts';
import { GUEST_NAMES } from './guests/specs.ts';
import type { UpOptions } from './host/up.ts';
import { q35RamRanges } from './observer/memory-layout.ts';
import { readArguments, usage } from './support/usage.ts';

const HELP = 'npm run exuvia -- lab --help';

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  cpus: { type: 'string' },
  memory: { type: 'string' },
  store: { type: 'string', default: '2G' },
  kernel: { type: 'string', default: '6.12' },
  vms: { type: 'string' },
  'busy-memory': { type: 'string', default: '512M' },
  mirror: { type: 'string' },
  deb: { type: 'string' },
  refresh: { type: 'boolean', default: false },
  'guest-kernel': { type: 'string', default: '6.12' },
  levels: { type: 'string', default: '4' },
  file: { type: 'string', multiple: true },
  run: { type: 'string' },
} as const;

/** The beginning of a release of Debian's, or all of it: 6.12, 6.12.107+deb13-cloud-amd64. */
const RELEASE = /^[0-9]+(\.[0-9]+)*(\+\S+)?$/;

/** What `exuvia lab up` and `image` are asked for. */
export interface UpRequest {
  readonly host: UpOptions;
  readonly vms: readonly string[];
  /** Memory of the VM busy. */
  readonly busyMemory: string;
}

export type LabValues = ReturnType<typeof labValues>;

/** Reads the options of all commands of `exuvia lab`. @throws ExuviaError `usage`. */
export function labValues(args: readonly string[]) {
  return readArguments({ args: [...args], options: OPTIONS }, HELP).values;
}

/**
 * Judges what can be judged before anything is built; whether the image has the kernel shows when its packages are
 * chosen.
 *
 * @throws ExuviaError `usage`.
 */
export function upRequest(values: LabValues): UpRequest {
  const { store, kernel, mirror, refresh, memory = '5G', 'busy-memory': busyMemory } = values;
  const cpus = cpuCount(values.cpus ?? '3', 2);
  const memoryBytes = sizeOf('memory', memory);
  const deb = values.deb === 'none' ? null : values.deb;
  const region = storeRegion(sizeOf('store', store), memoryBytes);
  // Without the package there will be no store.
  if (deb !== null && !region.found) {
    throw labUsage(`--store ${store} does not fit into --memory ${memory}: ${region.reason}.`);
  }
  if (!RELEASE.test(kernel)) throw labUsage(`--kernel ${kernel} is no release such as 6.12, or 7.2.`);
  const vms = vmNames(values);
  const problem = memoryProblem(vms, busyMemory, store);
  if (problem !== null) throw labUsage(problem);
  return { host: { cpus, memoryBytes, store, kernel, mirror, deb, refresh }, vms, busyMemory };
}

/** Where `exuvia setup` will find room for a store, but for what firmware takes of the machine's memory. */
function storeRegion(size: number, memoryBytes: number): RegionResult {
  const ram = q35RamRanges(memoryBytes).map((range) => ({
    ...{ start: range.physicalStart, end: range.physicalStart + range.size },
    ...{ name: 'System RAM', depth: 0 },
  }));
  return findRegion({ iomem: ram, firmware: [], size });
}

/** @throws ExuviaError `usage`. */
export function cpuCount(text: string, least: number): number {
  const cpus = Number(text);
  if (Number.isInteger(cpus) && cpus >= least && cpus <= 64) return cpus;
  throw labUsage(`--cpus ${text} is no number from ${least} to 64.`);
}

/** A host without the Exuvia package has none. */
function vmNames({ vms, deb }: LabValues): string[] {
  if (vms === 'none' || (vms === undefined && deb === 'none')) return [];
  if (deb === 'none') throw labUsage(`--vms ${vms} needs a host with the Exuvia package, not --deb none.`);
  const names = vms === undefined ? GUEST_NAMES : vms.split(',');
  const unknown = names.find((name) => !GUEST_NAMES.some((known) => known === name));
  if (unknown === undefined) return [...new Set(names)];
  throw labUsage(
    `--vms ${vms}: "${unknown}" is none of ${GUEST_NAMES.join(', ')}; "none" alone is for none.`,
  );
}

function sizeOf(option: string, text: string): number {
  const bytes = parseSize(text);
  if (bytes !== null) return bytes;
  throw labUsage(`--${option} ${text} is no size such as 2G.`);
}

export function labUsage(message: string): ExuviaError {
  return usage(message, HELP);
}
