import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findWatchdog } from './watchdog.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'exuvia-watchdog-'));
  await mkdir(join(root, 'class/watchdog/watchdog0'), { recursive: true });
  await writeFile(join(root, 'class/watchdog/watchdog0/identity'), 'i6300ESB timer\n');
});
afterEach(() => rm(root, { recursive: true }));

const users = (...names: string[]) =>
  Promise.all(names.map((name) => mkdir(join(root, 'module/watchdog/holders', name), { recursive: true })));
const driver = async () => (await findWatchdog(root))?.module;

test('a watchdog’s driver is that of its device', async () => {
  await mkdir(join(root, 'module/iTCO_wdt'), { recursive: true });
  await mkdir(join(root, 'class/watchdog/watchdog0/device/driver'), { recursive: true });
  await symlink(join(root, 'module/iTCO_wdt'), join(root, 'class/watchdog/watchdog0/device/driver/module'));
  await users('softdog', 'other_wdt');
  expect(await driver()).toBe('iTCO_wdt');
});

test('one that cannot be stopped once it runs is known', async () => {
  expect((await findWatchdog(root))?.stoppable).toBe(true);
  const nowayout = join(root, 'class/watchdog/watchdog0/nowayout');
  await writeFile(nowayout, '0\n');
  expect((await findWatchdog(root))?.stoppable).toBe(true);
  await writeFile(nowayout, '1\n');
  expect((await findWatchdog(root))?.stoppable).toBe(false);
});

test('where the device is not named, it is the only one that uses the core; of several it is not known which', async () => {
  expect(await driver()).toBeNull();
  await users('softdog', 'i6300esb');
  expect(await driver()).toBe('i6300esb');
  await users('another_wdt');
  expect(await driver()).toBeNull();
});
