import { z } from 'zod';

/**
 * The ten phases of an update, in the order of the 2021 LPC talk by Tatashin; every report shows all of
 * them under these names.
 */
export const PHASES = [
  'VM suspend',
  'VM save',
  'QEMU shutdown',
  'userland shutdown',
  'kernel shutdown',
  'kernel startup',
  'userland startup',
  'QEMU startup',
  'VM restore',
  'VM resume',
] as const;

export const phaseNameSchema = z.enum(PHASES);
export type PhaseName = z.infer<typeof phaseNameSchema>;

/** The phases that only the kernel decides; everything else is Exuvia's own overhead. */
export const KERNEL_PHASES: readonly PhaseName[] = ['kernel shutdown', 'kernel startup'];

export const phaseTimingSchema = z.object({ name: phaseNameSchema, ms: z.number().nonnegative() });
export type PhaseTiming = z.infer<typeof phaseTimingSchema>;
