import { mkdir, readFile } from 'node:fs/promises';
import { beforeEach, expect, test } from 'vitest';
import { readIfExists } from '../files/read.ts';
import { temporaryDirectory } from '../testing/index.ts';
import { bootEntryFor, bootedCommandLine, parseBootEntries } from './boot-entries.ts';
import { NEW, OLD, TestRoot } from './host.testing.ts';
import { kernelInstall, withArguments } from './kernel-install.ts';

let root: TestRoot;
beforeEach(async () => {
  root = new TestRoot(await temporaryDirectory());
});

/**
 * Stands in for kernel-install and bootctl of a host with two of Debian's kernels: an entry has the command line that
 * /etc/kernel/cmdline had when its kernel was added. Returns what kernel-install was called with.
 */
async function systemdBoot(): Promise<() => Promise<string | null>> {
  for (const release of [OLD, NEW]) {
    await root.put(`boot/vmlinuz-${release}`, '');
    await mkdir(root.file(`lib/modules/${release}`), { recursive: true });
  }
  await mkdir(root.file('entries'), { recursive: true });
  const log = await root.program(
    'kernel-install',
    `[ "$1" = add ] && cp '${root.path}/etc/kernel/cmdline' "${root.path}/entries/$2" 2>/dev/null || true`,
  );
  await root.program(
    'bootctl',
    `cd '${root.path}/entries'; for one in *; do
      printf '%s{"id":"%s.conf","version":"%s","options":"%s"}' "$comma" "$one" "$one" "$(tr '\\n' ' ' <"$one")"; comma=,
    done | sed 's/^/[/; s/$/]/'`,
  );
  return log;
}

test('kernel-install gets a changed command line, and its old one back', async () => {
  const file = await root.put('etc/kernel/cmdline', 'root=/dev/vda ro\n');
  const log = await systemdBoot();
  const loader = kernelInstall(root.path);
  await loader.setArguments(['memmap=2G!5G']);
  expect(await readFile(file, 'utf8')).toBe('root=/dev/vda ro memmap=2G!5G\n');
  expect(await loader.bootsWith(NEW, ['memmap=2G!5G'])).toBe(true);
  expect(await loader.bootsWith(NEW, ['memmap=1G!5G'])).toBe(false);
  await loader.setArguments(['memmap=1G!5G']);
  expect(await readFile(file, 'utf8')).toBe('root=/dev/vda ro memmap=1G!5G\n');
  await loader.removeArguments([{ path: file, content: 'root=/dev/vda ro\n' }]);
  expect(await readFile(file, 'utf8')).toBe('root=/dev/vda ro\n');
  const added = `add ${OLD} ${root.path}/boot/vmlinuz-${OLD}\nadd ${NEW} ${root.path}/boot/vmlinuz-${NEW}\n`;
  expect(await log()).toBe(added.repeat(3));
});

test.each([
  [
    'an edit',
    'root=/dev/vda ro\n',
    'root=/dev/vdb ro memmap=2G!5G crashkernel=256M quiet\n',
    'root=/dev/vdb ro quiet\n',
  ],
  [
    'what was replaced',
    'ro crashkernel=1G\n',
    'ro quiet crashkernel=256M memmap=2G!5G\n',
    'ro quiet crashkernel=1G\n',
  ],
  ['another memmap', 'ro\n', 'ro memmap=1M$2M memmap=2G!5G\n', 'ro memmap=1M$2M\n'],
])('taking the setup back from kernel-install keeps %s', async (_, was, now, then) => {
  const file = await root.put('etc/kernel/cmdline', now);
  await systemdBoot();
  await kernelInstall(root.path).removeArguments([{ path: file, content: was }]);
  expect(await readFile(file, 'utf8')).toBe(then);
});

test('a command line that was not there goes again, unless it was edited since', async () => {
  await root.put('usr/lib/kernel/cmdline', 'root=/dev/vda ro\n');
  await systemdBoot();
  const file = root.file('etc/kernel/cmdline');
  await kernelInstall(root.path).setArguments(['memmap=2G!5G']);
  await kernelInstall(root.path).removeArguments([{ path: file, content: null }]);
  await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
  await root.put('etc/kernel/cmdline', 'root=/dev/vda rw memmap=2G!5G\n');
  await kernelInstall(root.path).removeArguments([{ path: file, content: null }]);
  expect(await readFile(file, 'utf8')).toBe('root=/dev/vda rw\n');
});

test('what the entries had of their own stays when the setup is taken back', async () => {
  await root.put('usr/lib/kernel/cmdline', 'ro crashkernel=512M memmap=1G!9G\n');
  await systemdBoot();
  const file = root.file('etc/kernel/cmdline');
  await root.put('etc/kernel/cmdline', 'ro crashkernel=512M memmap=1G!9G memmap=2G!5G\n');
  const own = { path: file, content: null, written: await readFile(file, 'utf8'), added: ['memmap=2G!5G'] };
  await kernelInstall(root.path).removeArguments([own]);
  expect(await readFile(root.file(`entries/${NEW}`), 'utf8')).toBe('ro crashkernel=512M memmap=1G!9G\n');
});

test('only a memmap for persistent memory is replaced', () => {
  expect(withArguments('a memmap=1M$2M memmap=1G!4G b\n', ['memmap=2G!5G'])).toBe(
    'a memmap=1M$2M b memmap=2G!5G',
  );
});

test('the entry of systemd-boot is found by its version or its path', () => {
  const entries = parseBootEntries(
    JSON.stringify([
      { type: 'type1', id: 'debian-7.2.12.conf', version: '7.2.12', linux: '/id/7.2.12/linux' },
      { type: 'type1', id: 'debian-6.12.conf', linux: '/id/6.12.9/linux' },
      { type: 'auto', id: 'auto-efi-shell' },
    ]),
  );
  expect(bootEntryFor(entries, '7.2.12').id).toBe('debian-7.2.12.conf');
  expect(bootEntryFor(entries, '6.12.9').id).toBe('debian-6.12.conf');
  expect(() => bootEntryFor(entries, '7.2')).toThrow('The boot loader has no entry for kernel 7.2.');
});

test('every kernel in /boot gets a new entry, and one that does not carry the arguments is a failure', async () => {
  const file = await root.put('etc/kernel/cmdline', 'root=/dev/vda ro\n');
  const log = await systemdBoot();
  await root.program('kernel-install', '');
  for (const release of [OLD, NEW]) await root.put(`entries/${release}`, 'root=/dev/vda ro');
  await expect(kernelInstall(root.path).setArguments(['memmap=2G!5G'])).rejects.toMatchObject({
    code: 'boot-loader-failed',
    message: `kernel-install did not put memmap=2G!5G into the boot entry of kernel ${OLD}.`,
  });
  expect(await readFile(file, 'utf8')).toBe('root=/dev/vda ro\n');
  expect(await log()).toContain(`add ${NEW} ${root.path}/boot/vmlinuz-${NEW}\n`);
});

test('the command line of the default entry counts, and of no other system', () => {
  const entries = parseBootEntries(
    JSON.stringify([
      { id: 'fedora.conf', version: '6.11', options: 'root=/dev/sdb1' },
      { id: 'auto-reboot-to-firmware-setup', isDefault: false },
      { id: 'old.conf', version: OLD, options: 'root=/dev/vda old' },
      { id: 'new.conf', version: NEW, options: 'root=/dev/vda new', isDefault: true },
    ]),
  );
  expect(bootedCommandLine(entries, [OLD, NEW])).toBe('root=/dev/vda new');
  expect(bootedCommandLine(entries, [OLD])).toBe('root=/dev/vda old');
  expect(bootedCommandLine(entries, ['7.2'])).toBeNull();
});

const JUMP =
  'root=/dev/vda ro quiet cryptomgr.notests tsc_early_khz=2100000 lpj=8400000 panic=10 maxcpus=2 exuvia.update=u1';

test('after a jump the command line of the entry that boots stands in, not that of the running kernel', async () => {
  await root.put('proc/cmdline', `${JUMP}\n`);
  await systemdBoot();
  for (const release of [OLD, NEW]) await root.put(`entries/${release}`, 'root=/dev/vda ro lpj=8400000');
  await kernelInstall(root.path).setArguments(['memmap=2G!5G']);
  expect(await readFile(root.file('etc/kernel/cmdline'), 'utf8')).toBe('root=/dev/vda ro memmap=2G!5G\n');
});

test("what an undone setup has left on the running command line is not taken for the host's own", async () => {
  await root.put('proc/cmdline', 'root=/dev/vda ro memmap=2G!5G\n');
  await systemdBoot();
  for (const release of [OLD, NEW]) await root.put(`entries/${release}`, 'root=/dev/vda ro');
  await kernelInstall(root.path).setArguments(['crashkernel=256M']);
  expect(await readFile(root.file('etc/kernel/cmdline'), 'utf8')).toBe('root=/dev/vda ro crashkernel=256M\n');
});

test('a command line that setup wrote goes again, also when the running kernel has another one by then', async () => {
  const file = root.file('etc/kernel/cmdline');
  await root.put('proc/cmdline', 'BOOT_IMAGE=/linux root=/dev/vda ro\n');
  await systemdBoot();
  await kernelInstall(root.path).setArguments(['memmap=2G!5G']);
  const written = await readFile(file, 'utf8');
  expect(written).toBe('root=/dev/vda ro memmap=2G!5G\n');
  await root.put('proc/cmdline', `${JUMP}\n`);
  await kernelInstall(root.path).removeArguments([{ path: file, content: null, written }]);
  expect(await readIfExists(file)).toBeNull();
  // Without the file kernel-install would have taken the running kernel's.
  expect(await readFile(root.file(`entries/${NEW}`), 'utf8')).toBe('root=/dev/vda ro\n');
});
