import { labDown } from '../../src/host/down.ts';

/** Lab hosts that tests started end with the tests, however those end. */
export function setup(): () => Promise<void> {
  return async () => {
    await labDown();
  };
}
