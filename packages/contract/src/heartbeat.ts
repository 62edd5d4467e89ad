/**
 * The heartbeat page: one page-aligned page of a guest's memory, which a program in the guest writes and
 * which anyone who can read the guest's RAM file watches without disturbing the guest.
 *
 * Little endian: 0 magic (16 bytes), 16 u32 version, 20 u32 guest pid, 24 u64 sequence number, 32 u64 guest
 * CLOCK_MONOTONIC in ns, 40 u64 guest CLOCK_REALTIME in ns, 48 boot id (36 bytes of text), 88 VM name (32
 * bytes, NUL padded), 120 u64 units of work verified, 128 u64 integrity errors, 136 u64 units of work
 * written, 144 u64 times that the monotonic clock was seen to go back, 152 u64 sequence number again
 * (written last: a reader accepts only a page whose two sequence numbers agree).
 */
export const HEARTBEAT_MAGIC = Buffer.from('EXUVIA-HEARTBEAT', 'latin1');
export const HEARTBEAT_BYTES = 160;
export const HEARTBEAT_VERSION = 1;

export interface Heartbeat {
  readonly name: string;
  readonly bootId: string;
  readonly sequence: bigint;
  readonly monotonicNs: bigint;
  readonly realtimeNs: bigint;
  readonly verified: bigint;
  readonly errors: bigint;
  readonly written: bigint;
  readonly clockBackwards: bigint;
}

const BOOT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NAME = /^[a-z][a-z0-9-]{0,30}$/;

/**
 * Decodes the first {@link HEARTBEAT_BYTES} of a page; `null` when they are no consistent heartbeat page.
 * The bytes come from a guest: nothing in them is trusted, never throws.
 */
export function decodeHeartbeat(page: Buffer): Heartbeat | null {
  if (page.length < HEARTBEAT_BYTES || !page.subarray(0, 16).equals(HEARTBEAT_MAGIC)) return null;
  if (page.readUInt32LE(16) !== HEARTBEAT_VERSION) return null;
  const sequence = page.readBigUInt64LE(24);
  if (sequence !== page.readBigUInt64LE(152)) return null;
  const bootId = page.toString('latin1', 48, 84);
  const name = page.toString('latin1', 88, 120).replace(/\0.*$/s, '');
  if (!BOOT_ID.test(bootId) || !NAME.test(name)) return null;
  return {
    name,
    bootId,
    sequence,
    monotonicNs: page.readBigUInt64LE(32),
    realtimeNs: page.readBigUInt64LE(40),
    verified: page.readBigUInt64LE(120),
    errors: page.readBigUInt64LE(128),
    written: page.readBigUInt64LE(136),
    clockBackwards: page.readBigUInt64LE(144),
  };
}
