import { join } from 'node:path';
import { ExuviaError, parseVmSpec, type VmSpec, vmSpecSchema } from '@exuvia/contract';
import { listIfExists, readIfExists, removeDurably, writeFileDurably } from '@exuvia/sys';
import { stringify } from 'yaml';
import { isName } from './names.ts';

const EXTENSION = '.yaml';

/** All specs of a directory: the good ones by name, and what is wrong with each other file. */
export interface SpecDirectory {
  readonly specs: ReadonlyMap<string, VmSpec>;
  readonly problems: ReadonlyMap<string, ExuviaError>;
}

/** Reads all spec files; one that is invalid never hides another. Files of other kinds are passed over. */
export async function readSpecs(directory: string): Promise<SpecDirectory> {
  const specs = new Map<string, VmSpec>();
  const problems = new Map<string, ExuviaError>();
  const files = (await listIfExists(directory)).filter((file) => file.endsWith(EXTENSION));
  for (const file of files) {
    const name = file.slice(0, -EXTENSION.length);
    try {
      const spec = isName(name) ? await readSpec(directory, name) : refuseFileName(join(directory, file));
      if (spec !== null) specs.set(name, spec);
    } catch (error) {
      problems.set(name, asSpecError(join(directory, file), error));
    }
  }
  return { specs, problems };
}

/**
 * Reads one spec; `null` when there is none.
 *
 * @throws ExuviaError `spec-invalid` naming file and fields.
 */
export async function readSpec(directory: string, name: string): Promise<VmSpec | null> {
  const file = join(directory, name + EXTENSION);
  const text = await readIfExists(file);
  if (text === null) return null;
  const spec = parseVmSpec(text, file);
  if (spec.name !== name) {
    throw new ExuviaError('spec-invalid', `${file} is the spec of a VM ${spec.name}.`, {
      hint: `Name the file ${spec.name}${EXTENSION}, or the VM ${name}.`,
    });
  }
  return spec;
}

/** `null` also for a spec that is invalid: a VM that runs is there all the same. */
export async function readSpecIfValid(directory: string, name: string): Promise<VmSpec | null> {
  return readSpec(directory, name).catch((error: unknown) => {
    if (error instanceof ExuviaError) return null;
    throw error;
  });
}

/** Writes a spec; the file is complete or not there, whatever happens. */
export async function writeSpec(directory: string, spec: VmSpec): Promise<void> {
  const text = stringify(vmSpecSchema.parse(spec), { lineWidth: 0 });
  await writeFileDurably(join(directory, spec.name + EXTENSION), text, { mode: 0o640 });
}

export async function removeSpec(directory: string, name: string): Promise<void> {
  await removeDurably(join(directory, name + EXTENSION));
}

function refuseFileName(file: string): never {
  throw new ExuviaError('spec-invalid', `${file} has not the name of a VM.`, {
    hint: 'Names are 1 to 31 lower-case letters, digits and hyphens, starting with a letter.',
  });
}

function asSpecError(file: string, error: unknown): ExuviaError {
  if (error instanceof ExuviaError) return error;
  return new ExuviaError('spec-invalid', `${file} cannot be read.`, { cause: error });
}
