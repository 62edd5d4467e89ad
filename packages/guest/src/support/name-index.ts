/**
 * Finds things by name without an object a name: chains of ids (from 1) by the hash of the name's bytes.
 * Typed arrays only, so that it is stored and loaded as it is. An id's chain keeps the order of insertion.
 * Building is linear whatever the names are: they come from a guest.
 */
export interface NameIndex {
  /** First id of each chain, 0 for none; the length is a power of two. */
  readonly heads: Uint32Array;
  /** The id after each id, 0 for none; place 0 is unused. */
  readonly next: Uint32Array;
}

/** Indexes ids 1 to `count`; `hashOf` gives the hash of an id's name, or null for an id that has none. */
export function buildNameIndex(count: number, hashOf: (id: number) => number | null): NameIndex {
  const heads = new Uint32Array(2 ** Math.max(4, Math.ceil(Math.log2(count + 1))));
  const tails = new Uint32Array(heads.length);
  const next = new Uint32Array(count + 1);
  const mask = heads.length - 1;
  for (let id = 1; id <= count; id++) {
    const hash = hashOf(id);
    if (hash === null) continue;
    const chain = hash & mask;
    const tail = tails[chain] ?? 0;
    if (tail === 0) heads[chain] = id;
    else next[tail] = id;
    tails[chain] = id;
  }
  return { heads, next };
}

/** The ids whose names may be the one with this hash, in the order of insertion. */
export function* candidates(index: NameIndex, hash: number): Generator<number> {
  // Bounded by the number of ids, whatever a stored index says.
  let left = index.next.length;
  let id = index.heads[hash & (index.heads.length - 1)] ?? 0;
  while (id !== 0 && left-- > 0) {
    yield id;
    id = index.next[id] ?? 0;
  }
}

/** FNV-1a of bytes `start` to `end`. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0;
}
