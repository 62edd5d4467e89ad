import { createServer } from 'node:net';

/** Two different ports of 127.0.0.1 that nothing listens on right now. */
export async function freePorts(): Promise<[number, number]> {
  const first = createServer();
  const second = createServer();
  try {
    return [await listen(first), await listen(second)];
  } finally {
    first.close();
    second.close();
  }
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address !== null && typeof address === 'object') resolve(address.port);
      else reject(new Error('A listening TCP server has an address with a port.'));
    });
  });
}
