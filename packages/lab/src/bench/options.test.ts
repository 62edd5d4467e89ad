import { expect, test } from 'vitest';
import { benchOptions } from './options.ts';

test('every option is read', () => {
  const byDefault = { runs: null, guests: 8, pairs: 200, toggles: 10_000, json: false };
  expect(benchOptions(['kexec'])).toEqual({ benchmark: 'kexec', ...byDefault });
  const given = { runs: 1, guests: 4, pairs: 20, toggles: 100, json: true };
  const line = 'many --runs 1 --guests 4 --pairs 20 --toggles 100 --json';
  expect(benchOptions(line.split(' '))).toEqual({ benchmark: 'many', ...given });
});

test.each([
  ['kexec --deep', "Unknown option '--deep'."],
  ['--json', 'A benchmark is missing: give one of kexec, abort, vmm, many, guest.'],
  ['fast', '"fast" is no benchmark: give one of kexec, abort, vmm, many, guest.'],
  ['kexec vmm', '"kexec vmm" is no benchmark: give one of kexec, abort, vmm, many, guest.'],
  ['kexec --runs 0', '--runs 0 is no whole number from 1.'],
  ['many --guests few', '--guests few is no whole number from 1.'],
  ['guest --pairs 1.5', '--pairs 1.5 is no whole number from 1.'],
  ['guest --toggles x', '--toggles x is no whole number from 1.'],
])('%s is refused', (line, message) => {
  expect(() => benchOptions(line.split(' '))).toThrow(
    expect.objectContaining({ code: 'usage', message: `${message} See npm run bench -- --help.` }),
  );
});
