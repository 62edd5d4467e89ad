import type { QmpClient } from './qmp/client.ts';

/** As after a live migration (QEMU 10.0, migration/options.c); ms. */
const ROUNDS = { initial: 50, max: 550, rounds: 5, step: 100 };

/**
 * Makes a guest's addresses known to its network: QEMU sends RARP packets, and a guest whose driver can (VIRTIO_NET_F_GUEST_ANNOUNCE)
 * announces its IP addresses. QEMU does so by itself when it has loaded a state.
 */
export async function announce(client: QmpClient): Promise<void> {
  await client.execute('announce-self', ROUNDS);
}
