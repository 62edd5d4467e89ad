import { mkdir } from 'node:fs/promises';
import { ExuviaError } from '@exuvia/contract';
import { run } from '../process/run.ts';

export interface MountRequest {
  readonly source: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly options?: readonly string[];
}

/** Mounts a file system; the mount point is created if it is missing. @throws ExuviaError `mount-failed`. */
export async function mountFileSystem(request: MountRequest): Promise<void> {
  await mkdir(request.mountPoint, { recursive: true });
  const options = request.options?.length ? ['-o', request.options.join(',')] : [];
  const args = ['-t', request.type, ...options, '--', request.source, request.mountPoint];
  const { exitCode, stderr } = await run('mount', args, { allowFailure: true });
  if (exitCode === 0) return;
  throw new ExuviaError('mount-failed', `${request.source} could not be mounted at ${request.mountPoint}.`, {
    hint: `mount said: ${stderr.trim()}. \`dmesg\` may say more.`,
  });
}

/** Unmounts what is on top at a path. @throws ExuviaError `unmount-failed`, for example when it is busy. */
export async function unmountFileSystem(mountPoint: string): Promise<void> {
  const { exitCode, stderr } = await run('umount', ['--', mountPoint], { allowFailure: true });
  if (exitCode === 0) return;
  throw new ExuviaError('unmount-failed', `${mountPoint} could not be unmounted.`, {
    hint: `umount said: ${stderr.trim()}. \`fuser -vm ${mountPoint}\` shows who uses it.`,
  });
}
