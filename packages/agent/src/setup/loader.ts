import { ExuviaError } from '@exuvia/contract';
import { type BootLoader, type FileBefore, formatPmemMemmap, readIfExists } from '@exuvia/sys';
import type { SetupHost } from './host.ts';
import { rangeOf, type SetupRecord } from './record.ts';

/** @throws ExuviaError `boot-loader-unknown`, with the argument that the user has to write. */
export async function requireBootLoader(host: SetupHost, argument: string): Promise<BootLoader> {
  const loader = await host.bootLoader();
  if (loader !== null) return loader;
  throw new ExuviaError('boot-loader-unknown', 'This host has no boot loader that Exuvia can configure.', {
    hint: `Put ${argument} on the kernel command line yourself and reboot; then run this again.`,
  });
}

/**
 * Notes what files hold after a change and which arguments it added, beside what they held before it. Those that an
 * earlier change added stay noted: an edited file may still hold them.
 */
export async function noteWritten(
  host: SetupHost,
  record: SetupRecord,
  added: readonly string[],
): Promise<SetupRecord> {
  const before = await Promise.all(
    record.before.map(async (file) => ({
      ...file,
      written: (await readIfExists(file.path)) ?? undefined,
      added: [...new Set([...(file.added ?? []), ...added])],
    })),
  );
  const noted = { ...record, before };
  await host.writeRecord(noted);
  return noted;
}

export async function filesBefore(paths: readonly string[]): Promise<FileBefore[]> {
  return Promise.all(paths.map(async (path) => ({ path, content: await readIfExists(path) })));
}

/**
 * Puts arguments that the store does not need, such as memory for a crash kernel, on the command line of a host whose
 * store was found, or takes them off again. The record comes first: whatever happens then can be undone.
 *
 * @returns what the user should know.
 */
export async function setFurtherArguments(
  host: SetupHost,
  record: SetupRecord,
  further: readonly string[],
): Promise<string[]> {
  if (further.length === 0 && record.before.length === 0) return [];
  const loader = await host.bootLoader();
  if (loader === null) {
    return further.length === 0 ? [] : [`Put ${further.join(' ')} on the kernel command line yourself.`];
  }
  if (further.length === 0) {
    await loader.removeArguments(record.before);
    await host.writeRecord({ ...record, before: [] });
    return [];
  }
  const before = record.before.length > 0 ? record.before : await filesBefore(loader.files);
  await host.writeRecord({ ...record, before });
  const notes = await loader.setArguments(further);
  await noteWritten(host, { ...record, before }, further);
  return [`${further.join(' ')} is on the kernel command line from the next boot on.`, ...notes];
}

/** Takes setup's arguments off the command line. */
export async function removeArguments(host: SetupHost, record: SetupRecord): Promise<FileBefore[]> {
  const loader = await requireBootLoader(host, `memmap=${formatPmemMemmap(rangeOf(record))}`);
  const ofLoader = record.before.filter((file) => loader.files.includes(file.path));
  await loader.removeArguments(ofLoader);
  return record.before.filter((file) => !ofLoader.includes(file));
}
