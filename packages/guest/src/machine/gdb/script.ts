import { GuestError } from '../../errors.ts';
import type { Registers } from '../../kinds.ts';
import { hex } from '../../support/hex.ts';
import { ACKNOWLEDGE, INTERRUPT, packet, readPacket, writePacket } from './packets.ts';
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
 * The stub's addresses are physical only within a script: the mode belongs to the VM's gdbserver, not to the
 * connection, and a debugger that comes after us must find it as it was.
 */
const PHYSICAL = packet('Qqemu.PhyMemMode:1');
const VIRTUAL = packet('Qqemu.PhyMemMode:0');
const CONTINUE = packet('c');

/** Most bytes in a packet: QEMU's PacketSize is 4096 characters, two of which make a byte. */
const MAX_PACKET_BYTES = 2000;

/** Makes a VM that stands go on. Nothing is answered. */
export const CONTINUE_SCRIPT = CONTINUE;

/** Stops the VM and lets it go on in the same moment: the shortest stop that QEMU has. */
export const EMPTY_STOP = INTERRUPT + CONTINUE;

/** What is sent with the connection. It has one answer. */
export function attachScript(then: 'continue' | 'stand'): Script {
  return { text: `${VIRTUAL}${then === 'continue' ? CONTINUE : ACKNOWLEDGE}`, answers: 1 };
}

/** Stops the VM, unless it stands already, and reads the registers of its vCPUs and some memory. */
export function lookScript(vcpus: readonly number[], reads: readonly PhysicalRange[]): Script {
  const registers = vcpus.map((vcpu) => packet(`Hg${(vcpu + 1).toString(16)}`) + packet('g')).join('');
  const memory = reads.map(({ physical, length }) => readPacket(physical, length)).join('');
  return {
    text: `${INTERRUPT}${registers}${PHYSICAL}${memory}${VIRTUAL}${ACKNOWLEDGE}`,
    answers: vcpus.length * 2 + reads.length + 2,
  };
}

/** @throws GuestError `guest-gdb-protocol` when the answers are not those of a {@link lookScript}. */
export function readLook(
  answers: readonly string[],
  vcpus: readonly number[],
  reads: readonly PhysicalRange[],
): { readonly registers: Registers[]; readonly memory: Buffer[] } {
  const registers = vcpus.map((_, index) => {
    expectOk(answers[index * 2], 'selecting a vCPU');
    return parseRegisters(answers[index * 2 + 1] ?? '');
  });
  const rest = answers.slice(vcpus.length * 2);
  expectOk(rest[0], 'physical addressing');
  const memory = reads.map((range, index) => readBytes(rest[index + 1], range));
  return { registers, memory };
}

/** Writes and reads back. `then`: whether the VM goes on in the same moment. */
export function writeScript(writes: readonly PhysicalWrite[], then: 'continue' | 'stand'): Script {
  const parts = writes.flatMap(inPackets);
  const packets = parts.map(({ physical, bytes }) => writePacket(physical, bytes)).join('');
  const checks = parts.map(({ physical, bytes }) => readPacket(physical, bytes.length)).join('');
  const goOn = then === 'continue' ? CONTINUE : ACKNOWLEDGE;
  if (parts.length === 0) return { text: goOn, answers: 0 };
  return { text: `${PHYSICAL}${packets}${checks}${VIRTUAL}${goOn}`, answers: parts.length * 2 + 2 };
}

/** @throws GuestError `guest-write-lost` naming the address that does not hold what was written. */
export function verifyWrites(answers: readonly string[], writes: readonly PhysicalWrite[]): void {
  const parts = writes.flatMap(inPackets);
  for (const [index, { physical, bytes }] of parts.entries()) {
    const done = answers[1 + index];
    const there = answers[1 + parts.length + index];
    if (done === 'OK' && there === Buffer.from(bytes).toString('hex')) continue;
    throw new GuestError(
      'guest-write-lost',
      `QEMU did not write ${bytes.length} bytes at guest-physical address ${hex(physical)}: it said ${done}, and ${there} is there.`,
    );
  }
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
