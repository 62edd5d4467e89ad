import { access, appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../testing/folder.ts';
import { removeState, requireSealed, sealState } from './seal.ts';

async function savedState(): Promise<string> {
  const file = join(await temporaryFolder(), 'device-state');
  await writeFile(file, 'state of devices');
  return file;
}

test('a state is loaded as it was sealed, a damaged or shortened one never', async () => {
  const file = await savedState();
  await sealState(file);
  await requireSealed(file);
  const damaged = {
    code: 'vm-state-damaged',
    message: `${file} is not what was saved: it is not loaded.`,
  };
  await writeFile(file, 'State of devices');
  await expect(requireSealed(file)).rejects.toMatchObject(damaged);
  await writeFile(file, 'state of device');
  await expect(requireSealed(file)).rejects.toMatchObject(damaged);
  await appendFile(file, 's');
  await requireSealed(file);
});

test('a state that the native programs have sealed elsewhere is not judged here', async () => {
  await requireSealed(await savedState());
});

test('a seal goes with its state', async () => {
  const file = await savedState();
  await sealState(file);
  await removeState(file);
  await expect(access(`${file}.seal`)).rejects.toMatchObject({ code: 'ENOENT' });
  await writeFile(file, 'another state');
  await requireSealed(file);
});
