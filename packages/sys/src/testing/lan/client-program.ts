/**
 * A client of a guest (native/guest/lan.h), to be run in a network namespace: `client-program.ts GUEST OWN`.
 *
 * Connects to port 7000 of the address GUEST, and takes what the guest connects to port 7001 of the address OWN. Says
 * what it sees as a line of JSON (ClientReport) several times a second; at the end of its input it ends both
 * conversations in good order, says so a last time, and ends.
 */
import { createConnection, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Conversation, type ConversationState } from './conversation.ts';

export interface ClientReport {
  /** The connection that the client has opened; `null` before. */
  readonly outward: ConversationState | null;
  /** Those that the guest has opened: never more than one, unless it was cut. */
  readonly inward: readonly ConversationState[];
}

const REPORT_MS = 200;
const CONNECT_MS = 2000;

const [guest = '', own = ''] = process.argv.slice(2);
const inward: Conversation[] = [];
const server = createServer((socket) => void inward.push(new Conversation(socket))).listen(7001, own);
const outward = await connect();
const report = (last: boolean): void => {
  const said: ClientReport & { last: boolean } = {
    outward: outward.state,
    inward: inward.map(({ state }) => state),
    last,
  };
  process.stdout.write(`${JSON.stringify(said)}\n`);
};
const timer = setInterval(() => report(false), REPORT_MS);
process.stdin.resume();
process.stdin.once('end', async () => {
  clearInterval(timer);
  server.close();
  await Promise.all([outward, ...inward].map((conversation) => conversation.finish()));
  report(true);
  process.exit(0);
});

/** The guest may still be booting. */
async function connect(): Promise<Conversation> {
  for (;;) {
    const socket = createConnection({ host: guest, port: 7000 });
    const open = await Promise.race([
      new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true));
        socket.once('error', () => resolve(false));
      }),
      sleep(CONNECT_MS, false),
    ]);
    if (open) return new Conversation(socket);
    socket.destroy();
    await sleep(REPORT_MS);
  }
}
