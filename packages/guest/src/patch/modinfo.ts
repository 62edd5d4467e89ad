import { type ElfObject, invalid } from '../elf/index.ts';

/** `key=value` lines of a module's `.modinfo`. The first value of a key counts. */
export function modinfoOf(elf: ElfObject): ReadonlyMap<string, string> {
  const section = elf.sections.find(({ name }) => name === '.modinfo');
  const info = new Map<string, string>();
  for (const line of section?.bytes.toString('latin1').split('\0') ?? []) {
    const equals = line.indexOf('=');
    if (equals <= 0) continue;
    const key = line.slice(0, equals);
    if (!info.has(key)) info.set(key, line.slice(equals + 1));
  }
  return info;
}

/** The release in `vermagic=6.12.117+deb13-cloud-amd64 SMP preempt ...`. */
export function releaseOf(elf: ElfObject, modinfo: ReadonlyMap<string, string>): string {
  const release = modinfo.get('vermagic')?.split(' ')[0];
  if (release === undefined || release === '') {
    throw invalid(
      elf.file,
      'it has no vermagic in .modinfo, so that nobody knows which kernel it was built for',
    );
  }
  return release;
}
