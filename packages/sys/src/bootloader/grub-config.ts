/** A menu entry of grub.cfg. */
export interface GrubEntry {
  /** What grub-set-default and grub-reboot take: ids, a submenu's first, joined by `>`. */
  readonly path: string;
  readonly title: string;
  /** Of the kernel file on its `linux` line; `null` when the entry loads no Linux. */
  readonly release: string | null;
  /** The kernel's command line as grub.cfg has it. */
  readonly arguments: string;
}

/**
 * Reads the menu entries of a generated grub.cfg (grub-mkconfig 2.12). Braces are counted outside quotes
 * and comments, as the entries contain `if` blocks and functions of their own.
 */
export function parseGrubConfig(text: string): GrubEntry[] {
  const entries: GrubEntry[] = [];
  const open: { id: string; title: string; isEntry: boolean; depth: number; linux: string }[] = [];
  let depth = 0;
  for (const line of text.split('\n')) {
    const words = grubWords(line);
    const keyword = words[0];
    if (keyword === 'menuentry' || keyword === 'submenu') {
      const title = words[1] ?? '';
      open.push({ id: entryId(words) ?? title, title, isEntry: keyword === 'menuentry', depth, linux: '' });
    } else if (keyword === 'linux' || keyword === 'linuxefi') {
      const current = open.at(-1);
      if (current !== undefined) current.linux = line.trim().split(/\s+/).slice(1).join(' ');
    }
    depth += words.filter((word) => word === '{').length - words.filter((word) => word === '}').length;
    const last = open.at(-1);
    if (last === undefined || depth > last.depth) continue;
    if (last.isEntry) {
      const [file = '', ...rest] = last.linux.split(' ');
      entries.push({
        path: open.map((one) => one.id.replaceAll('>', '>>')).join('>'),
        title: last.title,
        release: /\/vmlinuz-([^/]+)$/.exec(file)?.[1] ?? null,
        arguments: rest.join(' '),
      });
    }
    open.pop();
  }
  return entries;
}

/**
 * The entry that boots a kernel normally: never a recovery entry; rather one of its own than the first
 * entry of the menu, which loads another kernel as soon as a newer one is installed.
 */
export function grubEntryFor(entries: readonly GrubEntry[], release: string): GrubEntry | null {
  const normal = entries.filter(
    (entry) => entry.release === release && !/(^| )(single|recovery)( |$)/.test(entry.arguments),
  );
  return normal.find((entry) => entry.path.includes(release)) ?? normal[0] ?? null;
}

/** The default of a generated grub.cfg when it is no saved one (GRUB_DEFAULT=saved): an index, id, title or path. */
export function fixedDefault(text: string): string | null {
  return /^\s*set default="([^"$]+)"/m.exec(text)?.[1] ?? null;
}

/** `--id X`, `--id=X`, or grub-mkconfig's `$menuentry_id_option X`. */
function entryId(words: readonly string[]): string | undefined {
  const joined = words.find((word) => word.startsWith('--id='))?.slice('--id='.length);
  const at = words.findIndex((word) => word === '--id' || word === '$menuentry_id_option');
  return joined ?? (at === -1 ? undefined : words[at + 1]);
}

/** Words of a line of GRUB's script language: quotes taken off, comments dropped. */
function grubWords(line: string): string[] {
  const words: string[] = [];
  for (const [, single, double, plain] of line.matchAll(/'([^']*)'|"((?:[^"\\]|\\.)*)"|([^\s'"]+)/g)) {
    if (plain?.startsWith('#')) break;
    words.push(single ?? double ?? plain ?? '');
  }
  return words;
}
