import { GuestError } from '../errors.ts';
import { type KernelReader, readPointer } from '../objects/reader.ts';
import { integerField } from '../types/fields.ts';

/** A record of the kernel's messages. */
export interface KernelMessage {
  readonly sequence: string;
  /** Seconds since the guest booted. */
  readonly seconds: number;
  /** 0 (emergency) to 7 (debug). */
  readonly level: number;
  readonly facility: number;
  readonly text: string;
}

/** CONFIG_LOG_BUF_SHIFT is at most 25 and log_buf_len= at most 2 GiB; no more than this is read. */
const MAX_SIZE_BITS = 26;
const MAX_COUNT_BITS = 21;
/** Upper two bits of a descriptor's state (kernel/printk/printk_ringbuffer.h). */
const STATE_SHIFT = 62n;
const COMMITTED = 1n;
const FINALIZED = 2n;
/** A position with its lowest bit set has no data. */
const NO_DATA = 1n;

/**
 * The records of the printk ring buffer (kernel/printk/printk_ringbuffer.c, 5.10 to 7.2), oldest first. The
 * guest may write meanwhile: every record is copied and taken only if it is still the one it was.
 *
 * @throws GuestError `guest-dmesg` when the buffer is not as it should be.
 */
export function readMessages(reader: KernelReader): KernelMessage[] {
  const ring = openRing(reader);
  const messages: KernelMessage[] = [];
  const count = ring.head - ring.tail;
  if (count < 0n || count >= BigInt(ring.descriptors))
    throw broken(`it has ${count} records in ${ring.descriptors} places`);
  for (let id = ring.tail; id <= ring.head; id++) {
    const message = ring.message(id);
    if (message !== null) messages.push(message);
  }
  return messages;
}

function openRing(reader: KernelReader) {
  const { space, symbols, types, btf } = reader;
  const at = readPointer(space, symbols.one('prb').address);
  const offset = (path: string) => types.offsetOf('printk_ringbuffer', path);
  const size = types.sizeOf('printk_ringbuffer');
  if (size > 4096) throw broken(`it is described by ${size} bytes`);
  const bytes = space.read(at, size);
  const long = (path: string) => bytes.readBigUInt64LE(offset(path));
  const countBits = bytes.readUInt32LE(offset('desc_ring.count_bits'));
  const sizeBits = bytes.readUInt32LE(offset('text_data_ring.size_bits'));
  if (countBits < 1 || countBits > MAX_COUNT_BITS) throw broken(`it has 2^${countBits} descriptors`);
  if (sizeBits < 8 || sizeBits > MAX_SIZE_BITS) throw broken(`it has 2^${sizeBits} bytes of text`);
  const descriptors = 2 ** countBits;
  const descriptorBytes = types.sizeOf('prb_desc');
  const infoBytes = types.sizeOf('printk_info');
  if (descriptorBytes > 256 || infoBytes > 1024) throw broken('its records are described by too many bytes');
  const [descriptorsAt, infosAt] = [long('desc_ring.descs'), long('desc_ring.infos')];
  const data = space.read(long('text_data_ring.data'), 2 ** sizeBits);
  let room = data.length;
  const info = {
    seq: types.offsetOf('printk_info', 'seq'),
    time: types.offsetOf('printk_info', 'ts_nsec'),
    length: integerField(btf, 'printk_info', 'text_len'),
    facility: integerField(btf, 'printk_info', 'facility'),
    level: integerField(btf, 'printk_info', 'level'),
  };
  const place = {
    state: types.offsetOf('prb_desc', 'state_var'),
    begin: types.offsetOf('prb_desc', 'text_blk_lpos.begin'),
    next: types.offsetOf('prb_desc', 'text_blk_lpos.next'),
  };
  const idMask = (1n << STATE_SHIFT) - 1n;
  return {
    descriptors,
    tail: long('desc_ring.tail_id') & idMask,
    head: long('desc_ring.head_id') & idMask,
    message(id: bigint): KernelMessage | null {
      const index = BigInt.asUintN(countBits, id);
      const from = descriptorsAt + index * BigInt(descriptorBytes);
      const descriptor = space.read(from, descriptorBytes);
      const state = descriptor.readBigUInt64LE(place.state);
      const kind = state >> STATE_SHIFT;
      // Reserved, or used anew since the head was read.
      if ((state & idMask) !== id || (kind !== COMMITTED && kind !== FINALIZED)) return null;
      const record = space.read(infosAt + index * BigInt(infoBytes), infoBytes);
      const [begin, next] = [descriptor.readBigUInt64LE(place.begin), descriptor.readBigUInt64LE(place.next)];
      const text = blockText(data, sizeBits, id, begin, next, info.length(record));
      if (text === null) return null;
      room -= text.length;
      if (room < 0) throw broken('its records lie over each other');
      return {
        sequence: String(record.readBigUInt64LE(info.seq)),
        seconds: Number(record.readBigUInt64LE(info.time) / 1000n) / 1e6,
        level: info.level(record),
        facility: info.facility(record),
        text: clean(text),
      };
    },
  };
}

/** A block of the text: the descriptor's id, then the text. One that would reach over the end begins at the start. */
function blockText(
  data: Buffer,
  sizeBits: number,
  id: bigint,
  begin: bigint,
  next: bigint,
  length: number,
): string | null {
  if ((begin & NO_DATA) !== 0n && (next & NO_DATA) !== 0n) return '';
  const lap = (position: bigint) => position >> BigInt(sizeBits);
  const index = (position: bigint) => Number(BigInt.asUintN(sizeBits, position));
  const wraps = lap(begin) !== lap(next - 1n);
  const start = wraps ? 0 : index(begin);
  const end = index(next) === 0 ? data.length : index(next);
  if (end - start < 8 || end > data.length || data.readBigUInt64LE(start) !== id) return null;
  return data.toString('utf8', start + 8, Math.min(end, start + 8 + length));
}

/** Line breaks stay; what could steer a terminal is shown as /dev/kmsg shows it. */
function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    character === '\n' || character === '\t'
      ? character
      : `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
}

function broken(why: string): GuestError {
  return new GuestError('guest-dmesg', `The guest's buffer of kernel messages is not understood: ${why}.`);
}
