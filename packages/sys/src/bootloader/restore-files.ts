import { removeDurably, writeFileDurably } from '../files/durable.ts';
import type { FileBefore } from './boot-loader.ts';

/** Gives files the content that they had, and removes those that were not there. */
export async function restoreFiles(before: readonly FileBefore[]): Promise<void> {
  for (const { path, content } of before) {
    if (content === null) await removeDurably(path);
    else await writeFileDurably(path, content);
  }
}
