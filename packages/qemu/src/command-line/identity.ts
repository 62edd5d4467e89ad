import { createHash } from 'node:crypto';

/** Our namespace for version 5 UUIDs (RFC 9562); it must never change: a VM's UUID is derived from it. */
const NAMESPACE = Buffer.from('6578757669610000a00056004d530001', 'hex');

/** A VM's UUID: always the same for the same name, so that a guest sees the same machine after a restart. */
export function vmUuid(name: string): string {
  const hash = createHash('sha1').update(NAMESPACE).update(name, 'utf8').digest().subarray(0, 16);
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
