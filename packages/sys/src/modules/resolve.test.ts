import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { run } from '../process/run.ts';
import { temporaryDirectory } from '../testing/index.ts';
import { modulesForAlias } from './alias.ts';
import { modulesForBlockDevice } from './block-device.ts';
import { type ModuleIndex, readModuleIndex } from './index-files.ts';
import { parseModuleOptions } from './options.ts';
import { readModule } from './read.ts';
import { resolveModules } from './resolve.ts';

const RELEASE = '6.12.117+deb13-amd64';

/** Excerpts of the index of Debian's kernel 6.12.117+deb13-amd64. */
const FILES = {
  'modules.dep': `
kernel/arch/x86/kvm/kvm.ko.xz: kernel/virt/lib/irqbypass.ko.xz
kernel/arch/x86/kvm/kvm-amd.ko.xz: kernel/arch/x86/kvm/kvm.ko.xz kernel/virt/lib/irqbypass.ko.xz
kernel/virt/lib/irqbypass.ko.xz:
kernel/drivers/nvdimm/nd_pmem.ko.xz: kernel/drivers/nvdimm/nd_btt.ko.xz kernel/drivers/nvdimm/libnvdimm.ko.xz
kernel/drivers/nvdimm/nd_btt.ko.xz: kernel/drivers/nvdimm/libnvdimm.ko.xz
kernel/drivers/nvdimm/libnvdimm.ko.xz:
kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz
kernel/drivers/virtio/virtio_pci.ko.xz: kernel/drivers/virtio/virtio.ko.xz
kernel/drivers/virtio/virtio_ring.ko.xz:
kernel/drivers/virtio/virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz
kernel/fs/jbd2/jbd2.ko.xz:
kernel/arch/x86/crypto/crc32c-intel.ko.xz:
`,
  'modules.softdep': `# Soft dependencies extracted from modules themselves.
softdep cifs gcm
softdep ext4 pre: crypto-crc32c crypto-none post: nd_pmem
softdep jbd2 pre: ext4
`,
  'modules.builtin': 'kernel/drivers/scsi/scsi_mod.ko\nkernel/fs/fscache-x.ko\n',
  'modules.alias': `# Aliases extracted from modules themselves.
alias fs-ext4 ext4
alias crypto-crc32c crc32c_intel
alias virtio:d00000002v* virtio_blk
alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci
alias pci:v*d*sv*sd*bc01sc08i02* nvme
alias char-major-10-[0-5]? misc
`,
};

let root: string;
let index: ModuleIndex;
beforeAll(async () => {
  root = await temporaryDirectory();
  for (const [name, text] of Object.entries(FILES)) await write(`lib/modules/${RELEASE}/${name}`, text);
  index = await readModuleIndex(RELEASE, root);
});

async function write(path: string, text: string) {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

const names = (...wanted: string[]) => resolveModules(index, wanted).map((module) => module.name);

test('dependencies come first, each module once', () => {
  expect(names('kvm-amd', 'nd_pmem', 'kvm')).toEqual([
    'irqbypass',
    'kvm',
    'kvm_amd',
    'libnvdimm',
    'nd_btt',
    'nd_pmem',
  ]);
});

test('soft dependencies are loaded where they exist, and may form a cycle', () => {
  expect(names('ext4')).toEqual(['crc32c_intel', 'jbd2', 'ext4', 'libnvdimm', 'nd_btt', 'nd_pmem']);
});

test('a module is found by its alias, with its path and parameters', () => {
  const options = parseModuleOptions('options kvm_amd avic=1 nested=0\n', 'quiet kvm-amd.npt=1 a.b');
  expect(resolveModules(index, ['fs-ext4'], options).at(2)).toEqual({
    name: 'ext4',
    path: join(root, 'lib/modules', RELEASE, 'kernel/fs/ext4/ext4.ko.xz'),
    options: '',
  });
  expect(resolveModules(index, ['kvm-amd'], options).at(-1)?.options).toBe('avic=1 nested=0 npt=1');
});

test('what is built in needs no file, what is missing is an error', () => {
  expect(names('scsi_mod', 'fscache-x')).toEqual([]);
  expect(() => names('zfs')).toThrow(`Kernel ${RELEASE} has no module zfs.`);
});

test('aliases match as shell patterns', () => {
  expect(modulesForAlias(index, 'pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc00i00')).toEqual([
    'virtio_pci',
  ]);
  expect(modulesForAlias(index, 'pci:v00008086d0000F1A8sv00008086sd0000390Dbc01sc08i02')).toEqual(['nvme']);
  expect(modulesForAlias(index, 'char-major-10-57')).toEqual(['misc']);
  expect(modulesForAlias(index, 'char-major-10-67')).toEqual([]);
});

test('a disk needs the modules of every device above it', async () => {
  const pci = 'sys/devices/pci0000:00/0000:00:03.0';
  await write(`${pci}/modalias`, 'pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc00i00\n');
  await write(`${pci}/virtio1/modalias`, 'virtio:d00000002v00001AF4\n');
  await write(`${pci}/virtio1/block/vda/vda1/dev`, '254:1\n');
  await write('sys/bus/virtio/drivers/virtio_blk/uevent', '');
  await write('sys/bus/pci/drivers/some-other-driver/uevent', '');
  await symlink(join(root, 'sys/bus/virtio/drivers/virtio_blk'), join(root, pci, 'virtio1/driver'));
  await symlink(join(root, 'sys/bus/pci/drivers/some-other-driver'), join(root, pci, 'driver'));
  await mkdir(join(root, 'sys/dev/block'), { recursive: true });
  await symlink(join(root, pci, 'virtio1/block/vda/vda1'), join(root, 'sys/dev/block/254:1'));
  expect(await modulesForBlockDevice(RELEASE, '254:1', root)).toEqual(['virtio_pci', 'virtio_blk']);
});

test('modules are read as plain ELF however they are compressed', async () => {
  const elf = Buffer.from('\x7fELF and the rest');
  const at = (name: string) => join(root, name);
  await writeFile(at('a.ko'), elf);
  await writeFile(at('b.ko.zst'), zstdCompressSync(elf));
  await writeFile(at('c.ko.gz'), gzipSync(elf));
  await writeFile(at('d.ko'), elf);
  await run('xz', [at('d.ko')]);
  for (const name of ['a.ko', 'b.ko.zst', 'c.ko.gz', 'd.ko.xz']) {
    expect((await readModule(at(name))).equals(elf), name).toBe(true);
  }
});
