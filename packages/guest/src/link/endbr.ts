import { ENDBR, ENDBR_POISON } from '../support/x86.ts';
import { refuseEntry, type Tables } from './tables.ts';

/** ENDBR instructions that nobody jumps to indirectly are taken away, as apply_seal_endbr does. */
export function sealEndbr(tables: Tables): void {
  for (const entry of tables.entries('endbr', 4)) {
    const { region, buffer, offset } = tables.target(entry, 0);
    const bytes = buffer.subarray(offset, offset + 4);
    if (region !== 'code' || !bytes.equals(ENDBR)) refuseEntry(entry, 'there is no ENDBR instruction');
    ENDBR_POISON.copy(bytes);
  }
}
