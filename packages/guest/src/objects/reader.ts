import { GuestError } from '../errors.ts';
import type { AddressSpace, SymbolTable, Types } from '../kinds.ts';
import type { Btf } from '../types/btf.ts';

/** What the objects of a kernel are read with. */
export interface KernelReader {
  readonly space: AddressSpace;
  readonly symbols: SymbolTable;
  readonly types: Types;
  readonly btf: Btf;
}

export function readPointer(space: AddressSpace, address: bigint): bigint {
  return space.read(address, 8).readBigUInt64LE(0);
}

export function readUnsigned(space: AddressSpace, address: bigint): number {
  return space.read(address, 4).readUInt32LE(0);
}

/**
 * Walks a `struct list_head` that begins at `head`: the addresses of the nodes without the head itself.
 *
 * @throws GuestError `guest-list` when it does not come back to its head within `limit` nodes.
 */
export function* listNodes(
  space: AddressSpace,
  head: bigint,
  what: string,
  limit: number,
): Generator<bigint> {
  let node = readPointer(space, head);
  // Brent's way to see a circle: one node is remembered for twice as many steps each time.
  let remembered = head;
  let left = 1;
  let steps = 1;
  for (let count = 0; node !== head; count++) {
    if (node === remembered) throw endless(what, 'runs in a circle beside its head');
    if (count >= limit) throw endless(what, `does not end after ${limit} entries`);
    if (--left === 0) {
      remembered = node;
      steps *= 2;
      left = steps;
    }
    yield node;
    node = readPointer(space, node);
  }
}

function endless(what: string, how: string): GuestError {
  return new GuestError('guest-list', `The guest's list of ${what} ${how}.`, {
    hint: 'It changed while it was read, or the guest is damaged. Try again, or with the VM paused.',
  });
}

/** Text up to the first NUL. Bytes that are no ASCII stand as they are; control characters as `?`. */
export function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: names come from a hostile guest and go to terminals
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end).replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}
