import { ExuviaError } from '@exuvia/contract';
import { readFirmwareMap, readIfExists, splitCommandLine, type TypedRange } from '@exuvia/sys';

/** Pieces of RAM that are not worth a place on the command line. */
const SMALLEST_RAM_BYTES = 2 ** 20;

/**
 * What tells a kernel that is started out of a crash kernel what memory the machine has: that one knows, and hands on,
 * only its own reserved piece (Linux 6.12 arch/x86/kernel/crash.c, kexec-bzimage64.c).
 *
 * A kernel that was started like that has the arguments already; its own map is the short one.
 */
export async function memoryArguments(commandLine: string): Promise<string[]> {
  const inherited = splitCommandLine(commandLine).filter((argument) => argument.startsWith('memmap='));
  if (inherited.includes('memmap=exactmap')) return inherited;
  const store = inherited.filter((argument) => argument.includes('!'));
  return [...exactMap(await readFirmwareMap()), ...store];
}

/** Pure part of {@link memoryArguments}. @throws ExuviaError `memory-map-unknown`. */
export function exactMap(firmware: readonly TypedRange[]): string[] {
  const signs: Readonly<Record<string, string>> = {
    ram: '@',
    'acpi-tables': '#',
    'acpi-nvs': '#',
    reserved: '$',
  };
  const merged = joined(firmware.filter(({ type }) => signs[type] !== undefined));
  const wanted = merged.filter(
    ({ type, start, end }) => type !== 'ram' || start < 2 ** 20 || end - start >= SMALLEST_RAM_BYTES,
  );
  if (!wanted.some(({ type }) => type === 'ram')) {
    throw new ExuviaError('memory-map-unknown', 'The kernel does not show the firmware’s memory map.', {
      hint: 'It needs CONFIG_FIRMWARE_MEMMAP.',
    });
  }
  const hex = (value: number) => `0x${value.toString(16)}`;
  return [
    'memmap=exactmap',
    ...wanted.map(({ type, start, end }) => `memmap=${hex(end - start)}${signs[type]}${hex(start)}`),
  ];
}

/** Ranges of one type that touch are one. */
function joined(ranges: readonly TypedRange[]): TypedRange[] {
  const result: TypedRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && last.end === range.start && last.type === range.type) {
      result[result.length - 1] = { ...last, end: range.end };
    } else result.push(range);
  }
  return result;
}

/** How many crashes in a row have led to the running kernel; 0: none. */
export async function crashesInARow(): Promise<number> {
  const running = splitCommandLine(((await readIfExists('/proc/cmdline')) ?? '').trim());
  const argument = running.find((word) => word.startsWith(`${CRASH_ARGUMENT}=`));
  return Number(argument?.slice(CRASH_ARGUMENT.length + 1) ?? '0');
}

/** Argument of a kernel's command line: so many crashes in a row have led to it. */
export const CRASH_ARGUMENT = 'exuvia.crash';
