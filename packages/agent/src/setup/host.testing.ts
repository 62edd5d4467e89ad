import { join } from 'node:path';
import { ExuviaError } from '@exuvia/contract';
import {
  type BootLoader,
  type FileBefore,
  type PmemDevice,
  parseIomem,
  restoreFiles,
  type TypedRange,
  writeFileDurably,
} from '@exuvia/sys';
import type { Store } from '../kinds.ts';
import type { SetupHost } from './host.ts';
import type { SetupFacts } from './plan.ts';
import type { SetupRecord } from './record.ts';

export const GIB = 2 ** 30;

/** QEMU q35 with 8 GiB, as its kernel shows it; with `memmap=2G!7G` the second. */
export const IOMEM = parseIomem(`\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
00100000-7ffdffff : System RAM
7ffe0000-7fffffff : Reserved
100000000-27fffffff : System RAM
`);
export const IOMEM_WITH_REGION = parseIomem(`\
00100000-7ffdffff : System RAM
100000000-1bfffffff : System RAM
1c0000000-23fffffff : Persistent Memory (legacy)
  1c0000000-23fffffff : namespace0.0
240000000-27fffffff : System RAM
`);
export const FIRMWARE: TypedRange[] = [
  { start: 0x1000, end: 0x9fc00, type: 'ram' },
  { start: 0x100000, end: 0x7ffe0000, type: 'ram' },
  { start: 0x100000000, end: 0x280000000, type: 'ram' },
];

/** A host in a directory: its files are real, its boot loader writes one, its memory map is data. */
export class TestHost implements SetupHost {
  readonly root: string;
  data: Omit<SetupFacts, 'record'> = {
    iomem: IOMEM,
    firmware: FIRMWARE,
    devices: [],
    nvdimms: [],
    kernelStays: false,
  };
  record: SetupRecord | null = null;
  loader: BootLoader | null;
  vms: string[] = [];
  unmounted = 0;
  notes: string[] = [];
  fail = false;

  constructor(root: string) {
    this.root = root;
    const path = this.file('etc/default/grub.d/exuvia.cfg');
    this.loader = {
      kind: 'grub',
      files: [path],
      setArguments: async (args) => {
        if (this.fail) throw new ExuviaError('boot-loader-failed', 'No space left.');
        await writeFileDurably(path, args.join(' '));
        return this.notes;
      },
      removeArguments: (before: readonly FileBefore[]) => restoreFiles(before),
      async setDefaultKernel() {},
      async setNextKernel() {},
      async clearNextKernel() {},
      bootsWith: async () => true,
    };
  }
  file(path: string) {
    return join(this.root, path);
  }
  async facts() {
    return this.data;
  }
  async bootLoader() {
    return this.loader;
  }
  async readRecord() {
    return this.record;
  }
  async writeRecord(record: SetupRecord) {
    this.record = record;
  }
  async vmsInStore() {
    return this.vms;
  }
  async unmountStore() {
    this.unmounted++;
  }
}

/** The store opens as soon as the running kernel has the region that was set up. */
export function storeOf(host: TestHost): Pick<Store, 'open'> {
  return {
    async open() {
      const { record } = host;
      const found = host.data.devices.find(({ device }) => device.region?.start === record?.region.start);
      if (record === null || found === undefined) return null;
      host.record = { ...record, state: 'ready' };
      return {
        kind: 'dax',
        device: found.device.path,
        mountPoint: '/store',
        physicalStart: record.region.start,
        sizeBytes: record.region.size,
        freeBytes: record.region.size,
      };
    },
  };
}

export function device(fields: Partial<PmemDevice>): PmemDevice {
  return {
    name: 'pmem0',
    path: '/dev/pmem0',
    number: '259:0',
    sizeBytes: 2 * GIB,
    region: { start: 7 * GIB, end: 9 * GIB },
    source: 'emulated',
    dax: true,
    readOnly: false,
    ...fields,
  };
}
