import { checked, type QmpClient } from '@exuvia/qemu';
import { z } from 'zod';
import { GuestError } from '../errors.ts';
import { parseMemoryTree } from './mtree.ts';
import { type OpenMemory, openPhysicalMemory } from './physical.ts';

/**
 * Opens the RAM of a running VM: QEMU's own map of it, and the files that its memory backends name.
 *
 * @throws GuestError `guest-ram-private` when RAM is not a shared file; those of {@link parseMemoryTree} and
 * {@link openPhysicalMemory}.
 */
export async function openGuestMemory(
  qmp: QmpClient,
  options: { readonly writable?: boolean } = {},
): Promise<OpenMemory> {
  const [tree, backends] = await Promise.all([
    humanCommand(qmp, 'info mtree -f'),
    qmp.execute('query-memdev'),
  ]);
  const ranges = parseMemoryTree(tree);
  const files = new Map<string, string>();
  for (const { id } of checked('query-memdev', memdevSchema, backends)) {
    if (id !== undefined && ranges.some((range) => range.backend === id)) {
      files.set(id, await sharedFile(qmp, id));
    }
  }
  const without = ranges.find((range) => !files.has(range.backend));
  if (without !== undefined) throw isPrivate(without.backend);
  return openPhysicalMemory(ranges, files, options);
}

/** The answer to a command of QEMU's human monitor. */
export async function humanCommand(qmp: QmpClient, line: string): Promise<string> {
  const answer = await qmp.execute('human-monitor-command', { 'command-line': line });
  return checked('human-monitor-command', z.string(), answer);
}

const memdevSchema = z.array(z.object({ id: z.string().optional() }));

async function sharedFile(qmp: QmpClient, id: string): Promise<string> {
  const get = (property: string) => qmp.execute('qom-get', { path: `/objects/${id}`, property });
  // A backend of another kind (memory-backend-ram, -memfd) has no mem-path.
  const [named, shared] = await Promise.all([get('mem-path').catch(() => undefined), get('share')]);
  const path = z.string().safeParse(named);
  if (!path.success || path.data === '' || shared !== true) throw isPrivate(id);
  return path.data;
}

function isPrivate(backend: string): GuestError {
  return new GuestError('guest-ram-private', `The VM's RAM (${backend}) is not a file that is shared.`, {
    hint: 'Start it with -object memory-backend-file,id=ram,share=on,mem-path=FILE,... -machine memory-backend=ram.',
  });
}
