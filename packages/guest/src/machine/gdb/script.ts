import { GuestError } from '../../errors.ts';
import type { Registers } from '../../kinds.ts';
import { hex } from '../../support/hex.ts';
import { ACKNOWLEDGE, ATOMIC_BYTES, INTERRUPT, packet, readPacket, writePacket } from './packets.ts';
import { parseRegisters } from './registers.ts';

export interface PhysicalRange {
  readonly physical: number;
  readonly length: number;
}

export interface PhysicalWrite {
  readonly physical: number;
  readonly bytes: Uint8Array;
}

/** Text to send at once, and how many answers it has. */
export interface Script {
  readonly text: string;
  readonly answers: number;
}

/**
 * Whose gdbserver it is. Addresses are physical or virtual for the whole gdbserver, not for a connection. One that
 * was there before us is `shared`: a debugger that comes after us must find it as it was, so its addresses are
 * physical only within a script. One that we have added goes away with us, and each packet less is a shorter stop.
 */
export type Gdbserver = 'ours' | 'shared';

const PHYSICAL = packet('Qqemu.PhyMemMode:1');
const VIRTUAL = packet('Qqemu.PhyMemMode:0');
const CONTINUE = packet('c');

/** Most bytes in a packet: QEMU's PacketSize is 4096 characters, two of which make a byte. */
const MAX_PACKET_BYTES = 2000;

/** What a stop ends with: the VM goes on, or stands as before. Nothing is answered. */
export const LAST_WORD = { continue: CONTINUE, stand: ACKNOWLEDGE } as const;

/** Stops the VM and lets it go on in the same moment: the shortest stop that QEMU has. */
export const EMPTY_STOP = INTERRUPT + CONTINUE;

/** What is sent with the connection. It has one answer. */
export function attachScript(gdbserver: Gdbserver, then: 'continue' | 'stand'): Script {
  return { text: `${gdbserver === 'ours' ? PHYSICAL : VIRTUAL}${LAST_WORD[then]}`, answers: 1 };
}

/** Packets that need physical addresses, as this gdbserver wants it. `before`: answers in front of theirs. */
function physically(gdbserver: Gdbserver, packets: string, answers: number): Script & { before: number } {
  if (gdbserver === 'ours') return { text: packets, answers, before: 0 };
  return { text: `${PHYSICAL}${packets}${VIRTUAL}`, answers: answers + 2, before: 1 };
}

/** Stops the VM, unless it stands already, and reads the registers of its vCPUs and some memory. */
export function lookScript(
  gdbserver: Gdbserver,
  vcpus: readonly number[],
  reads: readonly PhysicalRange[],
): Script {
  const registers = vcpus.map((vcpu) => packet(`Hg${(vcpu + 1).toString(16)}`) + packet('g')).join('');
  const memory = reads.map(({ physical, length }) => readPacket(physical, length)).join('');
  const { text, answers } = physically(gdbserver, memory, reads.length);
  return { text: `${INTERRUPT}${registers}${text}${ACKNOWLEDGE}`, answers: vcpus.length * 2 + answers };
}

/** Which answers of a {@link lookScript} are what. */
export function lookAnswers(
  gdbserver: Gdbserver,
  vcpus: readonly number[],
): {
  /** Of every vCPU's register file. */
  readonly registers: readonly number[];
  /** Of the first piece of memory; the others follow. */
  readonly memory: number;
} {
  const { before } = physically(gdbserver, '', 0);
  return { registers: vcpus.map((_, index) => index * 2 + 1), memory: vcpus.length * 2 + before };
}

/** @throws GuestError `guest-gdb-protocol` when the answers are not those of a {@link lookScript}. */
export function readLook(
  gdbserver: Gdbserver,
  answers: readonly string[],
  vcpus: readonly number[],
  reads: readonly PhysicalRange[],
): { readonly registers: Registers[]; readonly memory: Buffer[] } {
  const places = lookAnswers(gdbserver, vcpus);
  const registers = places.registers.map((place) => {
    expectOk(answers[place - 1], 'selecting a vCPU');
    return parseRegisters(answers[place] ?? '');
  });
  if (gdbserver === 'shared') expectOk(answers[places.memory - 1], 'physical addressing');
  const memory = reads.map((range, index) => readBytes(answers[places.memory + index], range));
  return { registers, memory };
}

/**
 * Writes and reads back. Nothing in it lets the VM go on: {@link LAST_WORD} is sent behind the last one.
 */
export function writeScript(gdbserver: Gdbserver, writes: readonly PhysicalWrite[]): Script {
  const parts = writes.flatMap(inPackets);
  const packets = parts.map(({ physical, bytes }) => writePacket(physical, bytes)).join('');
  const checks = parts.map(({ physical, bytes }) => readPacket(physical, bytes.length)).join('');
  if (parts.length === 0) return { text: '', answers: 0 };
  const { text, answers } = physically(gdbserver, packets + checks, parts.length * 2);
  return { text, answers };
}

/** What a {@link writeScript} is answered with when everything was written. */
export function writtenAnswers(gdbserver: Gdbserver, writes: readonly PhysicalWrite[]): string[] {
  const parts = writes.flatMap(inPackets);
  const there = parts.map(({ bytes }) => Buffer.from(bytes).toString('hex'));
  if (parts.length === 0) return [];
  const answers = [...parts.map(() => 'OK'), ...there];
  return gdbserver === 'ours' ? answers : ['OK', ...answers, 'OK'];
}

/**
 * Writes in the order in which they are sent. The last group, as much as fits, goes out in one send together
 * with the word to go on; what comes before it is sent piece by piece.
 */
export function inSends(
  gdbserver: Gdbserver,
  writes: readonly PhysicalWrite[],
): (readonly PhysicalWrite[])[] {
  let first = 0;
  const fits = () =>
    writeScript(gdbserver, writes.slice(first)).text.length + CONTINUE.length <= ATOMIC_BYTES;
  while (!fits()) first++;
  return [...writes.slice(0, first).map((write) => [write]), writes.slice(first)];
}

/** @throws GuestError `guest-write-lost` naming the address that does not hold what was written. */
export function verifyWrites(
  gdbserver: Gdbserver,
  answers: readonly string[],
  writes: readonly PhysicalWrite[],
): void {
  const wanted = writtenAnswers(gdbserver, writes);
  const wrong = wanted.findIndex((text, index) => answers[index] !== text);
  if (wrong >= 0) throw writeLost(gdbserver, writes, wrong, answers[wrong]);
}

/** @param index of the answer to a {@link writeScript} that is not what it should be. */
export function writeLost(
  gdbserver: Gdbserver,
  writes: readonly PhysicalWrite[],
  index: number,
  answer?: string,
): GuestError {
  const parts = writes.flatMap(inPackets);
  const { before } = physically(gdbserver, '', 0);
  // The answers to all writes come before those to all reads.
  const part = index < before ? undefined : parts[(index - before) % parts.length];
  const what =
    part === undefined
      ? 'use guest-physical addresses'
      : `write ${part.bytes.length} bytes at guest-physical address ${hex(part.physical)}`;
  return new GuestError('guest-write-lost', `QEMU's gdbstub did not ${what}: it answered ${answer}.`);
}

function inPackets({ physical, bytes }: PhysicalWrite): PhysicalWrite[] {
  const parts: PhysicalWrite[] = [];
  for (let at = 0; at < bytes.length; at += MAX_PACKET_BYTES) {
    parts.push({ physical: physical + at, bytes: bytes.subarray(at, at + MAX_PACKET_BYTES) });
  }
  return parts;
}

function readBytes(answer: string | undefined, { physical, length }: PhysicalRange): Buffer {
  const bytes = Buffer.from(answer ?? '', 'hex');
  if (bytes.length === length) return bytes;
  throw new GuestError(
    'guest-gdb-protocol',
    `QEMU's gdbstub did not read ${length} bytes at guest-physical address ${hex(physical)}: ${answer}.`,
  );
}

function expectOk(answer: string | undefined, what: string): void {
  if (answer === 'OK') return;
  throw new GuestError('guest-gdb-protocol', `QEMU's gdbstub refused ${what}: ${answer}.`);
}
