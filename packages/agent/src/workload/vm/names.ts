import { ExuviaError, type Vm, vmNameSchema } from '@exuvia/contract';

/**
 * Every name from outside passes here before a path or unit name is made of it.
 *
 * @throws ExuviaError `vm-name-invalid`.
 */
export function checkedName(name: string): string {
  const result = vmNameSchema.safeParse(name);
  if (result.success) return result.data;
  throw new ExuviaError('vm-name-invalid', `${JSON.stringify(name)} is no name of a VM.`, {
    hint: 'Names are 1 to 31 lower-case letters, digits and hyphens, starting with a letter.',
  });
}

export function isName(name: string): boolean {
  return vmNameSchema.safeParse(name).success;
}

export function vmUnknown(name: string): ExuviaError {
  return new ExuviaError('vm-unknown', `There is no VM ${name}.`, { hint: 'See `exuvia vm list`.' });
}

export function notRunning(name: string): ExuviaError {
  return new ExuviaError('vm-not-running', `VM ${name} does not run.`, { hint: `exuvia vm start ${name}` });
}

export function nothingToRecover({ name, state }: Pick<Vm, 'name' | 'state'>): ExuviaError {
  return new ExuviaError(
    'vm-nothing-to-recover',
    `VM ${name} is ${state}: no saved state of it is kept.`,
    state === 'running' ? {} : { hint: `To start it from its disks: exuvia vm start ${name}` },
  );
}
