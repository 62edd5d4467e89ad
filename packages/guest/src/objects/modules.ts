import { GuestError } from '../errors.ts';
import type { GuestModule } from '../kinds.ts';
import { integerField } from '../types/fields.ts';
import { sizeOf } from '../types/members.ts';
import { byteOffset, memberAt } from '../types/types.ts';
import { type KernelReader, listNodes, textOf } from './reader.ts';

const MAX_MODULES = 4096;
const MAX_MODULE_BYTES = 16_384;
/** More than the kernel's own image may have. */
const MAX_PART = 256 * 2 ** 20;

/** enum module_state (include/linux/module.h). */
const STATES = ['live', 'coming', 'going', 'unformed'] as const;

/**
 * The list of loaded modules, newest first.
 *
 * @throws GuestError `guest-list` when it does not end, `guest-modules` when an entry is no module.
 */
export function readModules(reader: KernelReader): GuestModule[] {
  const { space, symbols, types } = reader;
  const list = BigInt(types.offsetOf('module', 'list'));
  const fields = moduleFields(reader);
  const modules: GuestModule[] = [];
  for (const node of listNodes(space, symbols.one('modules').address, 'modules', MAX_MODULES)) {
    modules.push(readModule(reader, fields, node - list));
  }
  return modules;
}

function moduleFields({ btf, types }: KernelReader) {
  const size = types.sizeOf('module');
  if (size > MAX_MODULE_BYTES) {
    throw new GuestError('guest-modules', `The guest's modules are described by ${size} bytes each.`);
  }
  const name = memberAt(btf, 'module', 'name');
  return {
    size,
    name: types.offsetOf('module', 'name'),
    nameBytes: name === null ? 0 : sizeOf(btf, name.type),
    state: integerField(btf, 'module', 'state'),
  };
}

function readModule(
  reader: KernelReader,
  fields: ReturnType<typeof moduleFields>,
  address: bigint,
): GuestModule {
  const bytes = reader.space.read(address, fields.size);
  const state = STATES[fields.state(bytes)];
  const name = textOf(bytes.subarray(fields.name, fields.name + fields.nameBytes));
  if (state === undefined || !/^[\w-]{1,64}$/.test(name)) {
    throw new GuestError('guest-modules', 'The guest lists a module that is none.');
  }
  return { name, state, address, parts: partsOf(reader, bytes), buildId: buildIdOf(reader, bytes) };
}

/** Since 6.4 a part for each kind of memory (text first, those of its initialisation last), before that one layout. */
function partsOf({ btf, types }: KernelReader, bytes: Buffer): GuestModule['parts'] {
  const part = (at: number, base: number, size: number, executable: boolean) => ({
    start: bytes.readBigUInt64LE(at + base),
    size: bytes.readUInt32LE(at + size),
    executable,
  });
  const plausible = ({ size }: { size: number }) => size > 0 && size <= MAX_PART;
  const memory = memberAt(btf, 'module', 'mem');
  if (memory === null) {
    const layout = types.offsetOf('module', 'core_layout');
    const [base, size] = [types.offsetOf('module_layout', 'base'), types.offsetOf('module_layout', 'size')];
    const text = types.offsetOf('module_layout', 'text_size');
    const whole = part(layout, base, size, false);
    const code = { ...part(layout, base, text, true) };
    const rest = { ...whole, start: whole.start + BigInt(code.size), size: whole.size - code.size };
    return [code, rest].filter(plausible);
  }
  const [first, stride] = [byteOffset(memory, 'module.mem'), types.sizeOf('module_memory')];
  const [base, size] = [types.offsetOf('module_memory', 'base'), types.offsetOf('module_memory', 'size')];
  // MOD_TEXT, MOD_DATA, MOD_RODATA, MOD_RO_AFTER_INIT (enum mod_mem_type).
  return [0, 1, 2, 3].map((kind) => part(first + kind * stride, base, size, kind === 0)).filter(plausible);
}

function buildIdOf({ btf }: KernelReader, bytes: Buffer): string | null {
  const member = memberAt(btf, 'module', 'build_id');
  if (member === null) return null;
  const at = byteOffset(member, 'module.build_id');
  const id = bytes.subarray(at, at + Math.min(64, sizeOf(btf, member.type)));
  return id.every((byte) => byte === 0) ? null : id.toString('hex');
}
