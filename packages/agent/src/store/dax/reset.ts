import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { vmNameSchema } from '@exuvia/contract';
import { isErrno, type PmemDevice, sampleMemory, settledMemory, sizeOf } from '@exuvia/sys';
import { z } from 'zod';
import type { ResetVerdict } from '../../kinds.ts';
import { freeBytes } from './allocate.ts';
import type { StoreHost } from './host.ts';
import type { Layout } from './layout.ts';

/**
 * Whether the store's memory outlives a restart through the firmware: that depends on machine, firmware and boot loader,
 * so it is never assumed. Before such a restart all that is free in the store is filled with a pattern, and its checksum
 * is noted on disk, with that of the VMs' memory (the mark). The next boot compares both. What it found counts for as
 * long as the firmware is the same.
 */
const regionSchema = z.strictObject({ start: z.int(), size: z.int() });
type Region = z.infer<typeof regionSchema>;

const checksum = { bytes: z.int(), stride: z.int().positive(), crc: z.int() };
const markSchema = z.strictObject({
  bootId: z.string(),
  firmware: z.string(),
  region: regionSchema,
  pattern: z.strictObject(checksum),
  /** Of the VMs that wait elsewhere; `null`: the VMs were not saved yet, and the mark shows nothing. */
  memories: z.array(z.strictObject({ name: vmNameSchema, ...checksum })).nullable(),
});

const recordSchema = z.strictObject({
  version: z.literal(1),
  /** Left for the next boot. */
  mark: markSchema.nullable(),
  /** What the last mark showed. */
  found: z
    .strictObject({ at: z.iso.datetime(), firmware: z.string(), region: regionSchema, kept: z.boolean() })
    .nullable(),
});
type ResetRecord = z.infer<typeof recordSchema>;

const NOTHING: ResetRecord = { version: 1, mark: null, found: null };

/** A damaged record says nothing. */
async function readRecord(host: StoreHost): Promise<ResetRecord> {
  try {
    return recordSchema.parse(JSON.parse((await host.readReset()) ?? 'null'));
  } catch {
    return NOTHING;
  }
}

function writeRecord(host: StoreHost, record: ResetRecord): Promise<void> {
  return host.writeReset(`${JSON.stringify(record, null, 2)}\n`);
}

function patternFile(layout: Layout): string {
  return join(layout.root, 'reset-pattern');
}

/** Fills what is free, but for `keepFree` bytes, and notes it. */
export async function leaveMark(
  host: StoreHost,
  layout: Layout,
  device: PmemDevice,
  { keepFree, signal }: { readonly keepFree: number; readonly signal: AbortSignal },
): Promise<void> {
  await forgetMark(host, layout);
  const region = regionOf(device);
  const firmware = await host.firmwareName();
  if (region === null || firmware === '') return;
  const file = patternFile(layout);
  try {
    await fill(file, (await freeBytes(layout)) - keepFree, signal);
    const pattern = await settledMemory(file);
    signal.throwIfAborted();
    const mark = { bootId: await host.bootId(), firmware, region, pattern, memories: null };
    await writeRecord(host, { ...(await readRecord(host)), mark });
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}

const BLOCK = 2 ** 20;

/** Writes blocks of noise, each with its number, up to so many bytes or until nothing is free. */
async function fill(path: string, bytes: number, signal: AbortSignal): Promise<void> {
  const block = randomBytes(BLOCK);
  const file = await open(path, 'w', 0o600);
  try {
    for (let at = 0; at + BLOCK <= bytes; at += BLOCK) {
      signal.throwIfAborted();
      block.writeBigUInt64LE(BigInt(at));
      await file.write(block, 0, BLOCK, at);
    }
  } catch (error) {
    if (!isErrno(error, 'ENOSPC')) throw error;
  } finally {
    await file.close();
  }
}

/** Completes the mark, where there is one, with the memory of VMs that stand still and wait elsewhere. */
export async function completeMark(host: StoreHost, layout: Layout, names: readonly string[]): Promise<void> {
  const record = await readRecord(host);
  if (record.mark === null) return;
  const memories = await Promise.all(
    names.map(async (name) => ({ name, ...(await settledMemory(layout.ram(name))) })),
  );
  await writeRecord(host, { ...record, mark: { ...record.mark, memories } });
}

/** The restart does not come. */
export async function forgetMark(host: StoreHost, layout: Layout): Promise<void> {
  await rm(patternFile(layout), { force: true });
  const record = await readRecord(host);
  if (record.mark !== null) await writeRecord(host, { ...record, mark: null });
}

/**
 * Compares the mark of another boot with what is there, and notes what was found.
 *
 * @param device where the store's file system is mounted; `null`: it was not found, or is not sound
 * @param whole false: VMs that waited in the store were not found whole
 */
export async function judgeMark(
  host: StoreHost,
  layout: Layout,
  device: PmemDevice | null,
  whole = true,
): Promise<void> {
  const { mark, found } = await readRecord(host);
  if (mark?.bootId === (await host.bootId())) return;
  if (mark?.memories == null) {
    await forgetMark(host, layout);
    return;
  }
  const judged = (await host.startedByKexec()) === false;
  const kept = judged && whole && device !== null && (await isWhole(host, layout, device, mark));
  const at = new Date().toISOString();
  const { firmware, region } = mark;
  await rm(patternFile(layout), { force: true });
  await writeRecord(host, {
    version: 1,
    mark: null,
    found: judged ? { at, firmware, region, kept } : found,
  });
}

async function isWhole(
  host: StoreHost,
  layout: Layout,
  device: PmemDevice,
  { firmware, region, pattern, memories }: z.infer<typeof markSchema>,
): Promise<boolean> {
  if (firmware !== (await host.firmwareName()) || !isSameRegion(region, regionOf(device))) return false;
  const files = [
    { path: patternFile(layout), ...pattern },
    ...(memories ?? []).map(({ name, ...checksum }) => ({ path: layout.ram(name), ...checksum })),
  ];
  for (const { path, bytes, stride, crc } of files) {
    const found = await sampleMemory(path, bytes, stride).catch(() => null);
    if (found !== crc) return false;
  }
  return true;
}

/** What is known of the next restart through the firmware. */
export async function verdictOf(host: StoreHost, device: PmemDevice): Promise<ResetVerdict> {
  const { mark, found } = await readRecord(host);
  const no = (reason: string): ResetVerdict => ({ outlives: false, reason });
  if (mark !== null && mark.bootId !== (await host.bootId())) {
    return no('What became of the store in the last update by reboot could not be found out.');
  }
  if (found === null) {
    return no('No update by reboot has shown yet that memory outlives a restart of this machine.');
  }
  const isSame =
    isSameRegion(found.region, regionOf(device)) && found.firmware === (await host.firmwareName());
  if (!isSame) return no(`Store or firmware are others than at the last update by reboot (${found.at}).`);
  if (!found.kept) {
    return no(
      `The store, or a VM in it, was not whole after the last update by reboot (${found.at}), or the firmware had changed.`,
    );
  }
  const problem = await host.memoryResetProblem();
  if (problem !== null) return no(problem);
  return {
    outlives: true,
    reason: `It was whole after the last update by reboot (${found.at}), with this firmware.`,
  };
}

/** `null`: the kernel does not say where it lies. */
function regionOf({ region }: PmemDevice): Region | null {
  return region === null ? null : { start: region.start, size: sizeOf(region) };
}

function isSameRegion(a: Region, b: Region | null): boolean {
  return a.start === b?.start && a.size === b.size;
}
