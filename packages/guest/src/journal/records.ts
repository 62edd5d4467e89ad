import { z } from 'zod';

/** A guest's address: `0x` and lower-case digits. */
const addressSchema = z
  .string()
  .regex(/^0x[0-9a-f]{1,16}$/)
  .transform((text) => BigInt(text));
const bytesSchema = z
  .string()
  .regex(/^([0-9a-f]{2})*$/)
  .transform((text): Buffer => Buffer.from(text, 'hex'));
const lengthSchema = z.int().nonnegative();

const areaSchema = z.object({ address: addressSchema, length: lengthSchema });
/** A stretch of the guest's kernel address space. */
export type Area = z.infer<typeof areaSchema>;

const siteSchema = z.object({
  object: z.string(),
  name: z.string(),
  position: lengthSchema,
  /** The function that is replaced, and all code of it: what a thread may still be in. */
  oldAddress: addressSchema,
  old: z.array(areaSchema),
  newAddress: addressSchema,
  new: z.array(areaSchema),
  /** Where the jump goes; `moved` when whole instructions make room for it, `fentry` when a NOP does. */
  at: addressSchema,
  kind: z.enum(['fentry', 'moved']),
  /** What is there when the patch is applied, what is put there, and what is put back by a rollback. */
  expected: bytesSchema,
  jump: bytesSchema,
  original: bytesSchema,
});
/** A place at which a patch changes the guest's code. */
export type Site = z.infer<typeof siteSchema>;

const restoreSchema = z.object({ at: addressSchema, expected: bytesSchema, original: bytesSchema });
/** A place of a replaced patch that the replacing one does not use: the original comes back. */
export type Restore = z.infer<typeof restoreSchema>;

const patchSchema = z.object({
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/),
  name: z.string(),
  file: z.string(),
  sha256: z.string(),
  at: z.iso.datetime(),
  code: areaSchema,
  /** Of the code as it was linked: what the guest's memory must hold. */
  codeSha256: z.string(),
  data: areaSchema.nullable(),
  sites: z.array(siteSchema),
  /** Patches that this one takes the place of, and what it does to their other places. */
  replaces: z.array(z.string()),
  restores: z.array(restoreSchema),
  unwind: z.object({ addresses: z.array(addressSchema), entries: bytesSchema }),
});
/** Everything that is known of a patch before anything of it is in the guest. */
export type PatchPlan = z.infer<typeof patchSchema>;

const windowSchema = z.object({
  /** Guest-physical place of the page directory's entry, and what it is set to. */
  entry: lengthSchema,
  value: addressSchema,
  /** Guest-physical page table, and the pages that it maps, from `address` on. */
  table: lengthSchema,
  pages: z.array(lengthSchema),
  address: addressSchema,
});
/** The 2 MiB of kernel addresses through which patches have writable data. */
export type Window = z.infer<typeof windowSchema>;

const id = z.string();

/**
 * One line of a guest's journal. Each is on the disk before what it announces is done to the guest
 * (`planned`, `switching`, `reverting`, `window`) or after it has been seen there (all others).
 */
export const recordSchema = z.discriminatedUnion('kind', [
  /** A kernel that has been booted; all that was before is over. `filler` is where code can go. */
  z.object({
    kind: z.literal('opened'),
    release: z.string(),
    buildId: z.string(),
    epoch: z.string(),
    filler: z.array(areaSchema),
  }),
  z.object({ kind: z.literal('window'), window: windowSchema }),
  z.object({ kind: z.literal('planned'), patch: patchSchema }),
  z.object({ kind: z.literal('switching'), id }),
  z.object({ kind: z.literal('switched'), id }),
  z.object({ kind: z.literal('complete'), id }),
  z.object({ kind: z.literal('undone'), id, reason: z.string() }),
  z.object({ kind: z.literal('reverting'), id }),
  z.object({ kind: z.literal('reverted'), id }),
  z.object({ kind: z.literal('retired'), id }),
  /** It is not in the guest any more, without having been rolled back: the guest's memory is an older one. */
  z.object({ kind: z.literal('lost'), id }),
  /** Code addresses that have been used since the boot: TCG may hold translations of them. */
  z.object({ kind: z.literal('used'), areas: z.array(areaSchema) }),
]);
export type JournalRecord = z.infer<typeof recordSchema>;
