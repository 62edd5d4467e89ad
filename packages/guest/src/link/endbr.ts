import { refuseEntry, type Tables } from './tables.ts';

const ENDBR = Buffer.from('f30f1efa', 'hex');
/** gen_endbr_poison (arch/x86/include/asm/ibt.h): a NOP that is no ENDBR. */
const POISON = Buffer.from('660f1f00', 'hex');

/** ENDBR instructions that nobody jumps to indirectly are taken away, as apply_seal_endbr does. */
export function sealEndbr(tables: Tables): void {
  for (const entry of tables.entries('endbr', 4)) {
    const { region, buffer, offset } = tables.target(entry, 0);
    const bytes = buffer.subarray(offset, offset + 4);
    if (region !== 'code' || !bytes.equals(ENDBR)) refuseEntry(entry, 'there is no ENDBR instruction');
    POISON.copy(bytes);
  }
}
