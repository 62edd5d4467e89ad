import { Decoder, DecoderOptions, FlowControl } from 'iced-x86';

/**
 * Makes instructions right for another address, in place, as apply_relocation does (Linux 6.2): what they
 * reach relative to themselves outside of these bytes stays where it is.
 *
 * @returns false when something cannot be moved: an unknown instruction, or a target out of reach.
 */
export function moveInstructions(bytes: Buffer, from: bigint, to: bigint): boolean {
  if (bytes.length === 0) return true;
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  try {
    decoder.ip = from;
    const end = from + BigInt(bytes.length);
    while (decoder.canDecode) {
      const start = decoder.position;
      const instruction = decoder.decode();
      const constants = decoder.getConstantOffsets(instruction);
      try {
        if (instruction.isInvalid) return false;
        const goal = goalOf(instruction);
        if (goal === null || (goal >= from && goal < end)) continue;
        const field = instruction.isIpRelMemoryOperand
          ? { offset: constants.displacementOffset, size: constants.displacementSize }
          : { offset: constants.immediateOffset, size: constants.immediateSize };
        if (!adjust(bytes, start + field.offset, field.size, from - to)) return false;
      } finally {
        constants.free();
        instruction.free();
      }
    }
    return true;
  } finally {
    decoder.free();
  }
}

/** What an instruction names relative to itself; null: nothing. */
function goalOf(instruction: ReturnType<Decoder['decode']>): bigint | null {
  if (instruction.isIpRelMemoryOperand) return instruction.ipRelMemoryAddress;
  switch (instruction.flowControl) {
    case FlowControl.UnconditionalBranch:
    case FlowControl.ConditionalBranch:
    case FlowControl.Call:
      return instruction.nearBranchTarget;
    default:
      return null;
  }
}

function adjust(bytes: Buffer, offset: number, size: number, by: bigint): boolean {
  if (size !== 4 && size !== 1) return false;
  const value = BigInt(size === 4 ? bytes.readInt32LE(offset) : bytes.readInt8(offset)) + by;
  if (BigInt.asIntN(size * 8, value) !== value) return false;
  if (size === 4) bytes.writeInt32LE(Number(value), offset);
  else bytes.writeInt8(Number(value), offset);
  return true;
}
