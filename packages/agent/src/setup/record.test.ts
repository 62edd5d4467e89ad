import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { expect, test } from 'vitest';
import { readSetupRecord, type SetupRecord, writeSetupRecord } from './record.ts';

const RECORD: SetupRecord = {
  version: 1,
  region: { start: 2 ** 33, size: 2 ** 31 },
  source: 'memmap',
  state: 'reboot-needed',
  before: [{ path: '/etc/x', content: null }],
};

test('a record reads back as it was written, and only root reads it', async () => {
  const file = join(await temporaryDirectory(), 'setup.json');
  expect(await readSetupRecord(file)).toBeNull();
  await writeSetupRecord(RECORD, file);
  expect(await readSetupRecord(file)).toEqual(RECORD);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test.each(['{', '{"version":2}', '[]'])(
  'a damaged record is an error, not an absent one: %s',
  async (text) => {
    const file = join(await temporaryDirectory(), 'setup.json');
    await writeFile(file, text);
    await expect(readSetupRecord(file)).rejects.toMatchObject({
      code: 'setup-record-invalid',
      message: `${file} is damaged.`,
    });
  },
);
