import { HOST_PATHS } from '@exuvia/contract';
import {
  type BlockContent,
  bootId,
  firmwareName,
  type IomemEntry,
  loadPmemDrivers,
  type Mount,
  memoryResetProblem,
  mountFileSystem,
  mounts,
  type PmemDevice,
  pmemDevices,
  probeBlockDevice,
  readFirmwareMap,
  readIfExists,
  readIomem,
  run,
  startedByKexec,
  type TypedRange,
  unmountFileSystem,
  writeFileDurably,
} from '@exuvia/sys';
import { readSetupRecord, type SetupRecord, writeSetupRecord } from '../../setup/index.ts';
import { formatStore } from './format.ts';

/** What the store needs of its machine; tests of the decisions stand in for the devices, of which they have none. */
export interface StoreHost {
  readonly mountPoint: string;
  loadDrivers(): Promise<void>;
  devices(): Promise<PmemDevice[]>;
  mounts(): Promise<Mount[]>;
  iomem(): Promise<IomemEntry[]>;
  /** Memory as the firmware described it; empty when the kernel does not say. */
  firmware(): Promise<TypedRange[]>;
  probe(device: PmemDevice): Promise<BlockContent | null>;
  format(device: PmemDevice): Promise<void>;
  /** True when the file system is sound, or has been made so. */
  check(device: PmemDevice): Promise<boolean>;
  mount(device: PmemDevice): Promise<void>;
  unmount(): Promise<void>;
  startedByKexec(): Promise<boolean | null>;
  /** True when {@link rememberOpened} was called since this kernel started. */
  openedInThisBoot(): Promise<boolean>;
  rememberOpened(): Promise<void>;
  /** What `filefrag -v` says of a file; `null` when it cannot tell. */
  extents(path: string): Promise<string | null>;
  bootId(): Promise<string>;
  firmwareName(): Promise<string>;
  memoryResetProblem(): Promise<string | null>;
  /** What is known of restarts through the firmware; `null`: nothing. */
  readReset(): Promise<string | null>;
  writeReset(text: string): Promise<void>;
  readSetup(): Promise<SetupRecord | null>;
  writeSetup(record: SetupRecord): Promise<void>;
}

const MARKER = `${HOST_PATHS.runtime}/store-opened`;

/** This machine. */
export function storeHost(): StoreHost {
  return {
    mountPoint: HOST_PATHS.store,
    loadDrivers: loadPmemDrivers,
    devices: () => pmemDevices(),
    mounts,
    iomem: readIomem,
    firmware: () => readFirmwareMap(),
    probe: (device) => probeBlockDevice(device.path),
    format: formatStore,
    async check(device) {
      // Exit codes 0 and 1: sound, or repaired without losing anything (e2fsck(8)).
      const { exitCode } = await run('e2fsck', ['-p', device.path], {
        allowFailure: true,
        timeoutMs: 300_000,
      });
      return exitCode <= 1;
    },
    mount: (device) =>
      mountFileSystem({
        source: device.path,
        mountPoint: HOST_PATHS.store,
        type: 'ext4',
        options: ['dax=always', 'noatime', 'nodev', 'nosuid'],
      }),
    unmount: () => unmountFileSystem(HOST_PATHS.store),
    startedByKexec,
    openedInThisBoot: async () => (await readIfExists(MARKER)) === (await bootId()),
    rememberOpened: async () => writeFileDurably(MARKER, await bootId(), { mode: 0o600 }),
    async extents(path) {
      const { exitCode, stdout } = await run('filefrag', ['-v', path], { allowFailure: true });
      return exitCode === 0 ? stdout : null;
    },
    bootId,
    firmwareName: () => firmwareName(),
    memoryResetProblem: () => memoryResetProblem(),
    readReset: () => readIfExists(HOST_PATHS.reset),
    writeReset: (text) => writeFileDurably(HOST_PATHS.reset, text, { mode: 0o600 }),
    readSetup: () => readSetupRecord(),
    writeSetup: (record) => writeSetupRecord(record),
  };
}
