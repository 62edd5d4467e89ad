import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockContent, IomemEntry, Mount, PmemDevice, TypedRange } from '@exuvia/sys';
import type { SetupRecord } from '../../setup/index.ts';
import type { StoreHost } from './host.ts';

export const GIB = 2 ** 30;

export const STORE: BlockContent = {
  type: 'ext4',
  usage: 'filesystem',
  label: 'exuvia-store',
  uuid: '1',
  partitionTable: null,
};

export const RECORD: SetupRecord = {
  version: 1,
  region: { start: 5 * GIB, size: GIB },
  source: 'memmap',
  state: 'reboot-needed',
  before: [{ path: '/etc/default/grub.d/exuvia.cfg', content: null }],
};

/**
 * Stands in for a machine with persistent memory, which this one has not: devices whose content is a word,
 * and a directory in place of the mounted file system. The lab runs the same store on real devices.
 */
export class TestHost implements StoreHost {
  readonly mountPoint: string;
  record: SetupRecord | null = null;
  list: PmemDevice[] = [];
  contents = new Map<string, BlockContent | null>();
  ranges: IomemEntry[] = [];
  map: TypedRange[] = [];
  mounted: Mount[] = [];
  kexec: boolean | null = false;
  opened = false;
  sound = true;
  /** Why the next mount fails. */
  mountProblem: Error | null = null;
  boot = 'boot-1';
  bios = 'Some Inc. 1.0';
  resetProblem: string | null = null;
  reset: string | null = null;
  done: string[] = [];

  constructor(mountPoint: string) {
    this.mountPoint = mountPoint;
  }
  async loadDrivers() {}
  async devices() {
    return this.list;
  }
  async mounts() {
    return this.mounted;
  }
  async iomem() {
    return this.ranges;
  }
  async firmware() {
    return this.map;
  }
  async probe(device: PmemDevice) {
    return this.contents.get(device.path) ?? null;
  }
  async format(device: PmemDevice) {
    this.done.push(`format ${device.path}`);
    this.contents.set(device.path, STORE);
    await rm(join(this.mountPoint, 'vms'), { recursive: true, force: true });
  }
  async check() {
    return this.sound;
  }
  async mount(device: PmemDevice) {
    if (this.mountProblem !== null) throw this.mountProblem;
    this.done.push(`mount ${device.path}`);
    this.mounted.push(mountOf(device, this.mountPoint));
  }
  async unmount() {
    this.done.push('unmount');
    this.mounted.pop();
  }
  async startedByKexec() {
    return this.kexec;
  }
  async openedInThisBoot() {
    return this.opened;
  }
  async rememberOpened() {
    this.opened = true;
  }
  async extents() {
    return '   0:        0..     511:      34816..     35327:    512:             last,eof';
  }
  async bootId() {
    return this.boot;
  }
  async firmwareName() {
    return this.bios;
  }
  async memoryResetProblem() {
    return this.resetProblem;
  }
  async readReset() {
    return this.reset;
  }
  async writeReset(text: string) {
    this.reset = text;
  }
  async readSetup() {
    return this.record;
  }
  async writeSetup(record: SetupRecord) {
    this.record = record;
  }
  /** What an update leaves in the store of a VM that it has saved, by its name. */
  async save(name: string) {
    await mkdir(join(this.mountPoint, 'vms', name), { recursive: true });
    await writeFile(join(this.mountPoint, 'vms', name, 'device-state'), 'state');
  }
}

export function pmem(number: number, fields: Partial<PmemDevice> = {}): PmemDevice {
  const start = (5 + number) * GIB;
  return {
    name: `pmem${number}`,
    path: `/dev/pmem${number}`,
    number: `259:${number}`,
    sizeBytes: GIB,
    region: { start, end: start + GIB },
    source: 'emulated',
    dax: true,
    readOnly: false,
    ...fields,
  };
}

export function mountOf(device: PmemDevice, mountPoint: string): Mount {
  return {
    id: 1,
    parent: 0,
    device: device.number,
    root: '/',
    mountPoint,
    options: ['rw', 'noatime'],
    type: 'ext4',
    source: device.path,
    superOptions: ['rw', 'dax=always'],
  };
}
