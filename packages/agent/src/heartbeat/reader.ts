import { type FileHandle, open } from 'node:fs/promises';
import { decodeHeartbeat, HEARTBEAT_BYTES, HEARTBEAT_MAGIC, type Heartbeat } from '@exuvia/contract';
import { isErrno } from '@exuvia/sys';

const PAGE_BYTES = 4096;
const CHUNK_BYTES = 4 * 1024 * 1024;

/** Reads the heartbeat pages of VMs straight out of their RAM files; the guests do not notice. */
export interface HeartbeatReader {
  /** The newest heartbeat of a VM; `null` when its memory holds no heartbeat page (or there is no such file). */
  read(name: string, ramFile: string): Promise<Heartbeat | null>;
}

/**
 * Remembers where each VM's page lies. A guest that has been restarted keeps its page elsewhere and leaves
 * the old one behind, so a page that no longer changes is looked for again.
 */
export function createHeartbeatReader(): HeartbeatReader {
  const known = new Map<string, { readonly offset: number; readonly sequence: bigint }>();
  return {
    async read(name, ramFile) {
      const file = await openIfExists(ramFile);
      if (file === null) return null;
      try {
        const before = known.get(ramFile);
        const there = before === undefined ? null : await readAt(file, before.offset, name);
        if (before !== undefined && there !== null && there.sequence > before.sequence) {
          known.set(ramFile, { offset: before.offset, sequence: there.sequence });
          return there;
        }
        const found = await findHeartbeat(file, name);
        if (found === null) known.delete(ramFile);
        else known.set(ramFile, { offset: found.offset, sequence: found.heartbeat.sequence });
        return found?.heartbeat ?? null;
      } finally {
        await file.close();
      }
    },
  };
}

interface Found {
  readonly offset: number;
  readonly heartbeat: Heartbeat;
}

/** Looks at the beginning of every page. Of several heartbeat pages it is the one that was written last. */
async function findHeartbeat(file: FileHandle, name: string): Promise<Found | null> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let newest: Found | null = null;
  for (let at = 0; ; at += CHUNK_BYTES) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, at);
    for (const page of pagesWithMagic(chunk.subarray(0, bytesRead))) {
      // Once more: the copy in `chunk` may be torn, and is old by now.
      const heartbeat = await readAt(file, at + page, name);
      if (heartbeat !== null && heartbeat.realtimeNs > (newest?.heartbeat.realtimeNs ?? -1n)) {
        newest = { offset: at + page, heartbeat };
      }
    }
    if (bytesRead < CHUNK_BYTES) return newest;
  }
}

function pagesWithMagic(chunk: Buffer): number[] {
  const pages: number[] = [];
  for (let at = chunk.indexOf(HEARTBEAT_MAGIC); at !== -1; at = chunk.indexOf(HEARTBEAT_MAGIC, at + 1)) {
    if (at % PAGE_BYTES === 0) pages.push(at);
  }
  return pages;
}

/** The guest writes while this reads: a torn page is read again. */
async function readAt(file: FileHandle, offset: number, name: string): Promise<Heartbeat | null> {
  const page = Buffer.alloc(HEARTBEAT_BYTES);
  for (let attempt = 0; attempt < 20; attempt++) {
    const { bytesRead } = await file.read(page, 0, HEARTBEAT_BYTES, offset);
    const heartbeat = decodeHeartbeat(page.subarray(0, bytesRead));
    if (heartbeat !== null) return heartbeat.name === name ? heartbeat : null;
    if (!page.subarray(0, HEARTBEAT_MAGIC.length).equals(HEARTBEAT_MAGIC)) return null;
  }
  return null;
}

async function openIfExists(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}
