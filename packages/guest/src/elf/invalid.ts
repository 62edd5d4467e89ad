import { GuestError } from '../errors.ts';

/** The error for a file that is not what it should be. `what` completes the sentence "FILE: ...". */
export function invalid(file: string, what: string): GuestError {
  return new GuestError('patch-elf-invalid', `${file} is not a usable patch file: ${what}.`, {
    hint: 'A patch file is a relocatable x86-64 ELF object: what exuvia guest patch build, kpatch-build or klp-build made.',
  });
}
