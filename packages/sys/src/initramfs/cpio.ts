/** One file of an initramfs. Paths are relative to its root, without a leading slash. */
export type CpioEntry =
  | { readonly type: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly type: 'file'; readonly path: string; readonly mode?: number; readonly data: Uint8Array }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly type: 'character-device';
      readonly path: string;
      readonly mode?: number;
      readonly major: number;
      readonly minor: number;
    };

/** Without /dev/console the kernel gives its first program no standard output. */
export const CONSOLE_ENTRY: CpioEntry = {
  type: 'character-device',
  path: 'dev/console',
  mode: 0o600,
  major: 5,
  minor: 1,
};

/** st_mode's file type bits and the default permissions. */
const KINDS = {
  directory: { bits: 0o040000, mode: 0o755 },
  file: { bits: 0o100000, mode: 0o644 },
  symlink: { bits: 0o120000, mode: 0o777 },
  'character-device': { bits: 0o020000, mode: 0o600 },
} as const;

const BLOCK = 512;

/**
 * Packs entries into an uncompressed cpio archive of the "newc" format, the one that the kernel unpacks
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Missing parent directories are added;
 * everything belongs to root, and equal entries give equal bytes.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  withParents(entries).forEach((entry, index) => {
    parts.push(...member(entry, index + 1));
  });
  parts.push(...header('TRAILER!!!', { inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0 }));
  const archive = Buffer.concat(parts);
  return Buffer.concat([archive, Buffer.alloc(-archive.length & (BLOCK - 1))]);
}

/** Entries in order, every directory in front of what is in it and no directory twice. */
function withParents(entries: readonly CpioEntry[]): CpioEntry[] {
  const given = new Map(entries.map((entry) => [entry.path, entry]));
  const result = new Map<string, CpioEntry>();
  for (const entry of entries) {
    const elements = entry.path.split('/');
    for (let depth = 1; depth < elements.length; depth++) {
      const path = elements.slice(0, depth).join('/');
      if (!result.has(path)) result.set(path, given.get(path) ?? { type: 'directory', path });
    }
    result.set(entry.path, entry);
  }
  return [...result.values()];
}

function member(entry: CpioEntry, inode: number): Buffer[] {
  const kind = KINDS[entry.type];
  const permissions = 'mode' in entry && entry.mode !== undefined ? entry.mode : kind.mode;
  const data = dataOf(entry);
  const fields = {
    inode,
    mode: kind.bits | permissions,
    links: entry.type === 'directory' ? 2 : 1,
    size: data.length,
    major: entry.type === 'character-device' ? entry.major : 0,
    minor: entry.type === 'character-device' ? entry.minor : 0,
  };
  return [...header(entry.path, fields), data, padding(data.length)];
}

function dataOf(entry: CpioEntry): Buffer {
  if (entry.type === 'file') {
    return Buffer.from(entry.data.buffer, entry.data.byteOffset, entry.data.byteLength);
  }
  return entry.type === 'symlink' ? Buffer.from(entry.target) : Buffer.alloc(0);
}

interface Fields {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
}

/** Thirteen numbers of eight hexadecimal digits, then the name with its NUL, padded to four bytes. */
function header(path: string, fields: Fields): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const { inode, mode, links, size, major, minor } = fields;
  const numbers = [inode, mode, 0, 0, links, 0, size, 0, 0, major, minor, name.length, 0];
  const text = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`;
  return [Buffer.from(text, 'latin1'), name, padding(text.length + name.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc(-length & 3);
}
