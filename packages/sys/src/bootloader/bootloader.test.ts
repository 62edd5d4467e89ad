import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { readIfExists } from '../files/read.ts';
import { temporaryDirectory } from '../testing/index.ts';
import { detectBootLoader } from './detect.ts';
import { grub } from './grub.ts';
import { grubEntryFor, parseGrubConfig } from './grub-config.ts';
import { NEW, OLD, TestRoot } from './host.testing.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');
const UUID = '6f1c6d3e-0a4b-4a38-9a64-1f0d3f9a2b11';
const submenu = await readFile(join(FIXTURES, 'grub-submenu.cfg'), 'utf8');
const flat = await readFile(join(FIXTURES, 'grub-flat.cfg'), 'utf8');

let root: TestRoot;
let setDefault: () => Promise<string | null>;
beforeEach(async () => {
  root = new TestRoot(await temporaryDirectory());
  setDefault = await root.program('grub-set-default', '');
});

test('the entries of a generated grub.cfg are read, with those in submenus', () => {
  expect(parseGrubConfig(submenu).map((entry) => [entry.release, entry.path])).toEqual([
    [NEW, `gnulinux-simple-${UUID}`],
    [NEW, `gnulinux-advanced-${UUID}>gnulinux-${NEW}-advanced-${UUID}`],
    [NEW, `gnulinux-advanced-${UUID}>gnulinux-${NEW}-recovery-${UUID}`],
    [OLD, `gnulinux-advanced-${UUID}>gnulinux-${OLD}-advanced-${UUID}`],
    [OLD, `gnulinux-advanced-${UUID}>gnulinux-${OLD}-recovery-${UUID}`],
    [null, 'uefi-firmware'],
  ]);
});

test('a kernel boots by an entry of its own, which is no recovery entry', () => {
  const path = (text: string, release: string) => grubEntryFor(parseGrubConfig(text), release)?.path ?? null;
  expect(path(submenu, NEW)).toBe(`gnulinux-advanced-${UUID}>gnulinux-${NEW}-advanced-${UUID}`);
  expect(path(submenu, OLD)).toBe(`gnulinux-advanced-${UUID}>gnulinux-${OLD}-advanced-${UUID}`);
  expect(path(flat, OLD)).toBe(`gnulinux-${OLD}-advanced-${UUID}`);
  expect(path(flat, '6.12')).toBeNull();
});

test('the command line of an entry is that of its linux line', () => {
  expect(grubEntryFor(parseGrubConfig(flat), NEW)?.arguments).toBe(`root=UUID=${UUID} ro memmap=2G!5G quiet`);
});

test('what a kernel of GRUB’s menu boots with is known', async () => {
  await root.put('boot/grub/grub.cfg', flat);
  expect(await grub(root.path).bootsWith(NEW, ['memmap=2G!5G'])).toBe(true);
  expect(await grub(root.path).bootsWith(NEW, ['memmap=4G!5G'])).toBe(false);
  expect(await grub(root.path).bootsWith(NEW, [])).toBe(true);
  await expect(grub(root.path).bootsWith('5.10', [])).rejects.toMatchObject({ code: 'boot-entry-missing' });
});

test('GRUB gets a drop-in, and update-grub runs', async () => {
  await root.put('boot/grub/grub.cfg', submenu);
  const log = await root.program(
    'update-grub',
    `cp '${join(FIXTURES, 'grub-flat.cfg')}' '${root.path}/boot/grub/grub.cfg'`,
  );
  await grub(root.path).setArguments(['memmap=2G!5G']);
  expect(await readFile(root.file('etc/default/grub.d/exuvia.cfg'), 'utf8')).toBe(
    `# Written by \`exuvia setup\`; \`exuvia setup --undo\` removes it.
GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX memmap=2G!5G"
# So that an update can make the kernel that it brought the one that boots.
GRUB_DEFAULT=saved
`,
  );
  expect(await log()).toBe('\n');
  await grub(root.path).removeArguments([]);
  expect(await readIfExists(root.file('etc/default/grub.d/exuvia.cfg'))).toBeNull();
});

test.each([
  ['1>2', ['GRUB_DEFAULT is now saved; the saved entry is "1>2", as it was, until an update changes it.']],
  ['0', []],
])('a default of %s stays the default when GRUB gets a saved one', async (entry, notes) => {
  await root.put('boot/grub/grub.cfg', submenu.replace('set default="0"', `set default="${entry}"`));
  await root.program(
    'update-grub',
    `cp '${join(FIXTURES, 'grub-flat.cfg')}' '${root.path}/boot/grub/grub.cfg'`,
  );
  expect(await grub(root.path).setArguments(['memmap=2G!5G'])).toEqual(notes);
  expect(await setDefault()).toBe(`${entry}\n`);
  expect(await grub(root.path).setArguments(['memmap=2G!5G'])).toEqual([]);
  expect(await setDefault()).toBe(`${entry}\n`);
});

test("entries of other systems and the administrator's own need not have the arguments", async () => {
  const others = await root.put(
    'others.cfg',
    `${flat}
submenu 'Advanced options for Fedora' $menuentry_id_option 'osprober-gnulinux-advanced-1' {
	menuentry 'Fedora (on /dev/sdb1)' $menuentry_id_option 'osprober-gnulinux-/boot/vmlinuz-6.11.4--1' {
		linux /boot/vmlinuz-6.11.4 root=/dev/sdb1
	}
}
menuentry 'Rescue' {
	linux /rescue/vmlinuz-6.1.0 ro
}
`,
  );
  await root.put('boot/grub/grub.cfg', submenu);
  await root.program('update-grub', `cp '${others}' '${root.path}/boot/grub/grub.cfg'`);
  await grub(root.path).setArguments(['memmap=2G!5G']);
  await expect(grub(root.path).setArguments(['memmap=4G!5G'])).rejects.toMatchObject({
    code: 'boot-loader-failed',
  });
});

test('when update-grub fails or does not take the arguments, the drop-in is taken back', async () => {
  await root.put('boot/grub/grub.cfg', submenu);
  await root.put('etc/default/grub.d/exuvia.cfg', 'old\n');
  await root.program('update-grub', 'echo no space left >&2; exit 1');
  await expect(grub(root.path).setArguments(['memmap=2G!5G'])).rejects.toMatchObject({
    code: 'boot-loader-failed',
    message: "GRUB's configuration could not be changed.",
    hint: 'It said: no space left',
  });
  await root.program('update-grub', 'true');
  await expect(grub(root.path).setArguments(['memmap=2G!5G'])).rejects.toMatchObject({
    message: `update-grub did not put memmap=2G!5G on the kernel command line in ${root.path}/boot/grub/grub.cfg.`,
  });
  expect(await readFile(root.file('etc/default/grub.d/exuvia.cfg'), 'utf8')).toBe('old\n');
});

test('what a shell would expand never reaches the drop-in', async () => {
  await root.put('boot/grub/grub.cfg', submenu);
  await root.program('update-grub', 'true');
  await expect(grub(root.path).setArguments(['a="$(id)"'])).rejects.toMatchObject({
    message: 'a="$(id)" cannot be put into GRUB\'s configuration.',
  });
});

test('the default and the next kernel are set by the path of their entry', async () => {
  await root.put('boot/grub/grub.cfg', submenu);
  const setNext = await root.program('grub-reboot', '');
  await grub(root.path).setDefaultKernel(NEW);
  await grub(root.path).setNextKernel(OLD);
  expect(await setDefault()).toBe(`gnulinux-advanced-${UUID}>gnulinux-${NEW}-advanced-${UUID}\n`);
  expect(await setNext()).toBe(`gnulinux-advanced-${UUID}>gnulinux-${OLD}-advanced-${UUID}\n`);
  await expect(grub(root.path).setDefaultKernel('5.10')).rejects.toMatchObject({
    code: 'boot-entry-missing',
    message: "GRUB's menu has no entry for kernel 5.10.",
  });
});

test('the boot loader in use is detected', async () => {
  expect(await detectBootLoader(root.path)).toBeNull();
  await root.put('boot/efi/loader/loader.conf', '');
  expect((await detectBootLoader(root.path))?.kind).toBe('kernel-install');
  await root.put('boot/grub/grub.cfg', '');
  expect((await detectBootLoader(root.path))?.kind).toBe('grub');
  const info = 'sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
  await root.put(info, Buffer.concat([Buffer.alloc(4), Buffer.from('systemd-boot 257\0', 'utf16le')]));
  expect((await detectBootLoader(root.path))?.kind).toBe('kernel-install');
});
