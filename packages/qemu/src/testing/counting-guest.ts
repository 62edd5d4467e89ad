import { HEARTBEAT_MAGIC, HEARTBEAT_VERSION } from '@exuvia/contract';

/** Where the guest's heartbeat page lies in its memory, and so in its RAM file. */
export const COUNTING_GUEST_PAGE = 0x101000;

/** The memory that it writes and verifies, round after round. */
export const COUNTING_GUEST_REGION = { start: 0x400000, bytes: 0x100000 } as const;

/**
 * A guest without an operating system, for QEMU's `-kernel` (Multiboot): it writes the number of its round
 * into every word of a MiB of memory after checking that the last round's number is still there, and keeps a
 * heartbeat page: one beat for every page written. Lost or changed memory shows as an integrity error. It
 * powers itself down when the power button is pressed, unless it is told to ignore it.
 */
export function countingGuest(
  name: string,
  bootId: string,
  options: { ignorePowerButton?: boolean } = {},
): Buffer {
  const image = Buffer.alloc(0x2000);
  CODE.copy(image);
  if (options.ignorePowerButton) image.writeUInt16LE(0, POWER_BUTTON_ENABLE);
  const page = image.subarray(COUNTING_GUEST_PAGE - LOAD_ADDRESS);
  HEARTBEAT_MAGIC.copy(page);
  page.writeUInt32LE(HEARTBEAT_VERSION, 16);
  page.write(bootId, 48, 'latin1');
  page.write(name, 88, 'latin1');
  return image;
}

const LOAD_ADDRESS = 0x100000;

/** Place of the value that is written to ACPI PM1 enable. */
const POWER_BUTTON_ENABLE = 0x38;

/** Multiboot header (load all of the image at 1 MiB, enter at its byte 0x20), then 32-bit code. */
const CODE = Buffer.from(
  [
    '02b0ad1b 00000100 fe4f51e4', // magic, flags (addresses are given), checksum
    '00001000 00001000 00000000 00000000 20001000', // header, load, load end, bss end, entry
    'fa', //             cli
    'bf 00101000', //    mov $0x101000,%edi    the heartbeat page
    'bd 00004000', //    mov $0x400000,%ebp    the memory that is verified
    '31f6', //           xor %esi,%esi         place in it
    'bb 01000000', //    mov $1,%ebx           number of the round
    '66ba0206', //       mov $0x602,%dx        ACPI PM1 enable of q35 as SeaBIOS sets it up
    '66b80001', //       mov $0x100,%ax        the power button
    '66ef', //           out %ax,(%dx)
    '8b443500', //   1:  mov (%ebp,%esi),%eax  what the last round wrote
    '40', //             inc %eax
    '39d8', //           cmp %ebx,%eax
    '7406', //           je 2f
    'ff87 80000000', //  incl 128(%edi)        integrity errors
    '895c3500', //   2:  mov %ebx,(%ebp,%esi)
    'ff87 88000000', //  incl 136(%edi)        units written
    '83c604', //         add $4,%esi
    'f7c6 ff0f0000', //  test $0xfff,%esi      a page done?
    '75dc', //           jne 1b
    'ff4778', //         incl 120(%edi)        units verified
    'ff4718', //         incl 24(%edi)         sequence number
    'ff87 98000000', //  incl 152(%edi)        sequence number again
    '81e6 ffff0f00', //  and $0xfffff,%esi     round done?
    '75c8', //           jne 1b
    '43', //             inc %ebx
    '66baf803', //       mov $0x3f8,%dx
    'b02e', //           mov $'.',%al
    'ee', //             out %al,(%dx)         a dot on the serial console
    '66ba0006', //       mov $0x600,%dx        ACPI PM1 status
    '66ed', //           in (%dx),%ax
    'f6c401', //         test $1,%ah           power button pressed?
    '74b5', //           je 1b
    '66ba0406', //       mov $0x604,%dx        ACPI PM1 control
    '66b80020', //       mov $0x2000,%ax       S5: off
    '66ef', //           out %ax,(%dx)
    'f4', //             hlt
  ]
    .join('')
    .replaceAll(' ', ''),
  'hex',
);
