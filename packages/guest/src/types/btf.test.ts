import { expect, test } from 'vitest';
import { BtfWriter } from '../testing/btf-writer.ts';
import { testTypes } from '../testing/test-types.ts';
import { KIND, parseBtf, stringAt, typeById, typesNamed } from './btf.ts';
import { integerField } from './fields.ts';
import { findMember, resolve, sizeOf } from './members.ts';
import { createTypes } from './types.ts';

const types = () => createTypes(parseBtf(testTypes()));

test('members are found by their paths, in structures without a name too', () => {
  expect(types().offsetOf('task_struct', 'thread.sp')).toBe(104);
  expect(types().offsetOf('task_struct', 'flags')).toBe(120);
  expect(types().offsetOf('module', 'arch.orc_unwind')).toBe(184);
  expect(types().sizeOf('task_struct')).toBe(512);
  expect(types().sizeOf('u64')).toBe(8);
});

test.each([
  ['task_struct', 'nothing', "The kernel's struct task_struct has no member nothing."],
  ['task_struct', 'parent.pid', "The kernel's struct task_struct has no member parent.pid."],
  ['no_struct', 'x', 'The kernel has no type no_struct.'],
  ['task_struct', 'in_iowait', 'task_struct.in_iowait is a bit-field: it has no offset in bytes.'],
])('%s.%s is refused', (structure, path, message) => {
  expect(() => types().offsetOf(structure, path)).toThrow(message);
});

test('integers are read with their width and sign, bit-fields too', () => {
  const btf = parseBtf(testTypes());
  const bytes = Buffer.alloc(512);
  bytes.writeInt32LE(-7, 56);
  bytes.writeUInt8(200, 32);
  bytes.writeUInt32LE(0b1_0000_1000, 124);
  expect(integerField(btf, 'task_struct', 'pid')(bytes)).toBe(-7);
  expect(integerField(btf, 'task_struct', 'on_cpu')(bytes)).toBe(200);
  expect(integerField(btf, 'task_struct', 'in_iowait')(bytes)).toBe(1);
  expect(integerField(btf, 'task_struct', 'prio')(bytes)).toBe(-16);
  expect(() => integerField(btf, 'task_struct', 'tasks')).toThrow('task_struct.tasks has 128 bits.');
});

const change = (edit: (bytes: Buffer) => void) => {
  const bytes = testTypes();
  edit(bytes);
  return () => parseBtf(bytes);
};

test.each([
  ['nothing at all', () => parseBtf(Buffer.alloc(0)), 'it does not begin with its magic number'],
  ['another version', change((b) => b.writeUInt8(2, 2)), 'it is of version 2'],
  ['types that end beyond it', change((b) => b.writeUInt32LE(0xffff_fff0, 12)), 'its types end beyond it'],
  [
    'strings that end beyond it',
    change((b) => b.writeUInt32LE(0xffff_fff0, 20)),
    'its strings end beyond it',
  ],
  ['a header without a length', change((b) => b.writeUInt32LE(0, 4)), 'its types end beyond it'],
  [
    'strings without an end',
    change((b) => b.writeUInt8(0x61, b.length - 1)),
    'its strings are not delimited by NUL',
  ],
  ['a kind that is none', change((b) => b.writeUInt32LE(31 << 24, 28)), 'it has a type of kind 31'],
  [
    '65,535 members in one structure',
    change((b) => b.writeUInt32LE((4 << 24) | 0xffff, 28)),
    'its last type is cut off',
  ],
] as [string, () => unknown, string][])('%s is refused', (_, parse, why) => {
  expect(parse).toThrow(`The kernel's type information (BTF) is not understood: ${why}`);
});

test('a reference to a type that is none is refused when it is followed', () => {
  const writer = new BtfWriter();
  const lost = writer.struct('lost', 8, [{ name: 'x', type: 77, at: 0 }]);
  const btf = parseBtf(writer.end());
  expect(() => sizeOf(btf, 77)).toThrow('it refers to type 77, which it does not have');
  expect(() => findMember(btf, typeById(btf, lost), 'y')).not.toThrow();
  expect(() => stringAt(btf, 1_000_000)).toThrow('a name lies beyond its strings');
});

test('typedefs of each other, and structures within themselves, come to an end', () => {
  const writer = new BtfWriter();
  writer.alias(KIND.typedef, 'one', 2);
  writer.alias(KIND.typedef, 'two', 1);
  const members = Array.from({ length: 50 }, () => ({ name: '', type: 3, at: 0 }));
  writer.struct('self', 8, members);
  const btf = parseBtf(writer.end());
  expect(() => resolve(btf, 1)).toThrow('type 1 is an alias of itself');
  expect(() => findMember(btf, typeById(btf, 3), 'x')).toThrow(
    'a structure contains itself, or too many members',
  );
});

test('anonymous structures that multiply come to an end', () => {
  const writer = new BtfWriter();
  let inner = writer.struct('', 8, [{ name: 'a', type: 1, at: 0 }]);
  for (let level = 0; level < 20; level++) {
    const type = inner;
    inner = writer.struct(
      '',
      8,
      Array.from({ length: 20 }, () => ({ name: '', type, at: 0 })),
    );
  }
  const btf = parseBtf(writer.end());
  expect(() => findMember(btf, typeById(btf, inner), 'x')).toThrow('too many members');
});

test('an array of arrays that is longer than any memory is refused', () => {
  const writer = new BtfWriter();
  let type = writer.int('long', 8);
  for (let level = 0; level < 4; level++) type = writer.array(type, 0xffff_ffff);
  expect(() => sizeOf(parseBtf(writer.end()), type)).toThrow(
    /^The kernel's type information .* bytes long\.$/,
  );
});

test('any number of types of one name are found in their order', () => {
  const writer = new BtfWriter();
  const ids = Array.from({ length: 1000 }, () => writer.struct('same', 4, []));
  expect(typesNamed(parseBtf(writer.end()), 'same', [KIND.struct]).map(({ id }) => id)).toEqual(ids);
});
