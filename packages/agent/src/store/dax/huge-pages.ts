/** 4 KiB blocks in a huge page of 2 MiB. */
const BLOCKS = 512;

/**
 * The part of a file that can be mapped with huge pages, 0 to 1, from `filefrag -v` (e2fsprogs 1.47) on a
 * file system of 4 KiB blocks: whole 2 MiB of the file that lie on whole, aligned 2 MiB of the device.
 */
export function hugeShare(filefrag: string): number {
  let all = 0;
  let huge = 0;
  for (const line of filefrag.split('\n')) {
    const match = /^ *[0-9]+: +([0-9]+)\.\. *([0-9]+): +([0-9]+)\.\. *[0-9]+:/.exec(line);
    if (match === null) continue;
    const [first, last, physical] = match.slice(1).map(Number);
    if (first === undefined || last === undefined || physical === undefined) continue;
    all += last + 1 - first;
    if ((physical - first) % BLOCKS !== 0) continue;
    const from = Math.ceil(first / BLOCKS) * BLOCKS;
    const to = Math.floor((last + 1) / BLOCKS) * BLOCKS;
    huge += Math.max(0, to - from);
  }
  return all === 0 ? 1 : huge / all;
}
