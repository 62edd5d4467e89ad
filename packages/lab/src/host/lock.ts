import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { ExuviaError } from '@exuvia/contract';
import { isErrno } from '@exuvia/sys';
import { labPaths, processStartTime } from './state.ts';

/**
 * Runs `work` while no other process of this machine starts or ends a lab host. A lock whose holder has
 * died is taken over.
 *
 * @throws ExuviaError `lab-locked`.
 */
export async function withLabLock<T>(work: () => Promise<T>): Promise<T> {
  await mkdir(labPaths().folder, { recursive: true });
  await take(labPaths().lock);
  try {
    return await work();
  } finally {
    await rm(labPaths().lock, { force: true });
  }
}

async function take(path: string): Promise<void> {
  const own = `${process.pid} ${await processStartTime(process.pid)}`;
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(own);
      await file.close();
      return;
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    const [pid = '0', startTime] = (await readFile(path, 'utf8')).split(' ');
    if ((await processStartTime(Number(pid))) === startTime) {
      throw new ExuviaError('lab-locked', `Process ${pid} is starting or ending the lab host.`, {
        hint: 'Wait until it is done.',
      });
    }
    await rm(path, { force: true });
  }
  throw new ExuviaError('lab-locked', 'Another process took the lab just now.', { hint: 'Try again.' });
}
