import { afterAll, beforeAll } from 'vitest';
import {
  type KernelGuest,
  type KernelGuestOptions,
  startKernelGuest,
} from '../../src/kernel-guests/index.ts';

/** A guest for all tests of a file or of a `describe`; it must not have complained at their end. */
export function useGuest(options: KernelGuestOptions): () => KernelGuest {
  let guest: KernelGuest | undefined;
  beforeAll(async () => {
    guest = await startKernelGuest(options);
  });
  afterAll(async () => {
    if (guest === undefined) return;
    const complaints = await guest.complaints();
    await guest.stop();
    if (complaints.length > 0) throw new Error(`The guest's kernel complained:\n${complaints.join('\n')}`);
  });
  return () => {
    if (guest === undefined) throw new Error('The guest has not been started.');
    return guest;
  };
}
