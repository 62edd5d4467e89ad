import { expect, test } from 'vitest';
import {
  commandLineValue,
  commandLineValues,
  joinCommandLine,
  removeFromCommandLine,
  setCommandLineValues,
  splitCommandLine,
} from './command-line.ts';

const LINE = 'root=UUID=1-2 ro dyndbg="file a.c +p" memmap=1G!4G "init=/my init" quiet memmap=2M!1T';

test('a command line is split at spaces outside quotes and joins back to itself', () => {
  expect(splitCommandLine(LINE)).toEqual([
    'root=UUID=1-2',
    'ro',
    'dyndbg="file a.c +p"',
    'memmap=1G!4G',
    '"init=/my init"',
    'quiet',
    'memmap=2M!1T',
  ]);
  expect(joinCommandLine(splitCommandLine(LINE))).toBe(LINE);
  expect(splitCommandLine('  a\t b\n')).toEqual(['a', 'b']);
  expect(splitCommandLine('')).toEqual([]);
});

test('values are read without their quotes', () => {
  const args = splitCommandLine(LINE);
  expect(commandLineValue(args, 'root')).toBe('UUID=1-2');
  expect(commandLineValue(args, 'init')).toBe('/my init');
  expect(commandLineValue(args, 'dyndbg')).toBe('file a.c +p');
  expect(commandLineValue(args, 'quiet')).toBe('');
  expect(commandLineValue(args, 'mem')).toBeNull();
  expect(commandLineValues(args, 'memmap')).toEqual(['1G!4G', '2M!1T']);
});

test('hyphens and underscores in names are the same to the kernel', () => {
  expect(commandLineValue(['kvm-amd.nested=1'], 'kvm_amd.nested')).toBe('1');
});

test('arguments are set and removed in front of those for init', () => {
  const args = splitCommandLine('memmap=1G!4G quiet -- single memmap=x');
  expect(joinCommandLine(setCommandLineValues(args, 'memmap', ['2G!8G', 'a b']))).toBe(
    'quiet memmap=2G!8G memmap="a b" -- single memmap=x',
  );
  expect(joinCommandLine(removeFromCommandLine(args, 'memmap'))).toBe('quiet -- single memmap=x');
});
