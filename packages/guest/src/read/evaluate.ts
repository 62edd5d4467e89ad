import { GuestError } from '../errors.ts';
import { perCpuAddress } from '../objects/per-cpu.ts';
import { type KernelReader, readPointer } from '../objects/reader.ts';
import { readTasks } from '../objects/tasks.ts';
import { hex } from '../support/hex.ts';
import { KIND, typesNamed } from '../types/btf.ts';
import { findMember, resolve } from '../types/members.ts';
import type { Expression } from './syntax.ts';
import { elementType, sizeOfRef, type TypeRef, targetType, typeRefOf, typeText, VOID } from './type-ref.ts';
import { declaredType } from './variables.ts';

/** What an expression stands for: a place in the guest, or an address that was computed. */
export type Operand =
  | {
      readonly kind: 'place';
      readonly address: bigint;
      /** null: the kernel does not tell. */
      readonly type: TypeRef | null;
      /** Of a bit-field: its first bit within the byte at `address`, and how many. */
      readonly bits: { readonly first: number; readonly count: number } | null;
    }
  | { readonly kind: 'value'; readonly value: bigint; readonly type: TypeRef };

/** @throws GuestError `guest-expression` and those of reading. */
export function evaluate(reader: KernelReader, expression: Expression): Operand {
  switch (expression.kind) {
    case 'variable':
      return variable(reader, expression.name);
    case 'number':
      return { kind: 'value', value: expression.value, type: VOID };
    case 'per-cpu': {
      const { address } = reader.symbols.one(expression.name);
      return place(perCpuAddress(reader, address, expression.cpu), perCpuType(reader, expression.name));
    }
    case 'task':
      return task(reader, expression.pid);
    case 'member':
      return member(reader, evaluate(reader, expression.of), expression.name);
    case 'element':
      return element(reader, evaluate(reader, expression.of), expression.index);
    case 'target':
      return target(reader, evaluate(reader, expression.of));
    case 'address':
      return addressOf(evaluate(reader, expression.of));
    case 'cast':
      return cast(evaluate(reader, expression.of), typeRefOf(reader.btf, expression.type));
  }
}

function place(address: bigint, type: TypeRef | null): Operand {
  return { kind: 'place', address: BigInt.asUintN(64, address), type, bits: null };
}

function variable({ symbols, btf }: KernelReader, name: string): Operand {
  const { address } = symbols.one(name);
  if (typesNamed(btf, name, [KIND.variable]).length > 0) {
    throw unusable(`${name} is a per-CPU variable: write per_cpu(${name}, CPU)`);
  }
  const declared = declaredType(name);
  return place(address, declared === null ? null : typeRefOf(btf, declared));
}

function perCpuType({ btf }: KernelReader, name: string): TypeRef | null {
  const [variable] = typesNamed(btf, name, [KIND.variable]);
  return variable === undefined ? null : { kind: 'btf', id: variable.sizeOrType };
}

function task(reader: KernelReader, pid: number): Operand {
  const found = readTasks(reader).find((candidate) => candidate.pid === pid);
  if (found === undefined) throw new GuestError('guest-no-task', `The guest has no thread ${pid}.`);
  return place(found.address, typeRefOf(reader.btf, { tag: 'struct', name: 'task_struct', pointers: 0 }));
}

function member(reader: KernelReader, operand: Operand, name: string): Operand {
  const { btf } = reader;
  // As debuggers do: what is behind a pointer is reached by either of . and ->.
  const pointsTo = operand.type === null ? null : targetType(btf, operand.type);
  const owner = pointsTo === null ? operand : target(reader, operand);
  if (owner.type === null) throw untyped();
  if (owner.kind !== 'place') throw unusable(`${typeText(btf, owner.type)} has no member ${name}`);
  const type = owner.type.kind === 'btf' && owner.type.id !== 0 ? resolve(btf, owner.type.id) : null;
  const found =
    type !== null && (type.kind === KIND.struct || type.kind === KIND.union)
      ? findMember(btf, type, name)
      : null;
  if (found === null) throw unusable(`${typeText(btf, owner.type)} has no member ${name}`);
  const first = found.bitOffset % 8;
  const address = owner.address + BigInt((found.bitOffset - first) / 8);
  const memberPlace = place(address, { kind: 'btf', id: found.type });
  return found.bits === null
    ? memberPlace
    : ({ ...memberPlace, bits: { first, count: found.bits } } as Operand);
}

function element(reader: KernelReader, operand: Operand, index: number): Operand {
  const { btf } = reader;
  if (operand.type === null) throw untyped();
  const array = elementType(btf, operand.type);
  if (array !== null && operand.kind === 'place') {
    // Arrays of no declared length stand at the end of structures.
    if (array.count > 0 && index >= array.count) throw unusable(`the array has ${array.count} elements`);
    return place(operand.address + BigInt(index * sizeOfRef(btf, array.type)), array.type);
  }
  const first = target(reader, operand);
  if (first.kind !== 'place' || first.type === null) throw unusable('it is no array');
  return place(first.address + BigInt(index * sizeOfRef(btf, first.type)), first.type);
}

function target(reader: KernelReader, operand: Operand): Operand {
  if (operand.type === null) throw untyped();
  const type = targetType(reader.btf, operand.type);
  if (type === null)
    throw unusable(`${typeText(reader.btf, operand.type)} is neither a pointer nor an array`);
  const address = operand.kind === 'value' ? operand.value : readPointer(reader.space, operand.address);
  if (address === 0n) throw unusable('it goes through a null pointer');
  return place(address, type);
}

function addressOf(operand: Operand): Operand {
  if (operand.kind === 'value' || operand.bits !== null) throw unusable('& is of what has an address');
  return { kind: 'value', value: operand.address, type: { kind: 'pointer', to: operand.type ?? VOID } };
}

function cast(operand: Operand, type: TypeRef): Operand {
  return operand.kind === 'value' ? { ...operand, type } : { ...operand, type, bits: null };
}

export function untyped(): GuestError {
  return unusable('the kernel does not tell the type of a variable: cast it, as in (unsigned long)NAME');
}

export function unusable(why: string): GuestError {
  return new GuestError('guest-expression', `The expression cannot be read: ${why}.`);
}

export function describeAddress({ symbols }: Pick<KernelReader, 'symbols'>, address: bigint): string {
  const found = symbols.at(address);
  if (found === null) return hex(address);
  const offset = found.offset === 0 ? '' : `+${hex(found.offset)}`;
  return `${hex(address)} <${found.symbol.name}${offset}>`;
}
