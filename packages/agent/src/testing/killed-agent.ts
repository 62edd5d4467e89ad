import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Fault } from '@exuvia/contract';
import { startTestAgent } from './agent.ts';
import { ask } from './ask.ts';
import { FakeHandover } from './fake-handover.ts';

/**
 * An agent in a process of its own that begins an update which a fault ends by SIGKILL. What its handover did
 * is in FOLDER/events.
 */
const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '' },
    fault: { type: 'string', default: '' },
    boot: { type: 'string', default: 'boot-1' },
  },
});
const { folder, boot } = values;
const fault = values.fault === '' ? undefined : (JSON.parse(values.fault) as Fault);
const handover = new FakeHandover();
handover.events.push = (...events) => {
  void appendFile(join(folder, 'events'), events.map((event) => `${event}\n`).join(''));
  return 0;
};
const agent = await startTestAgent({
  folder,
  handover,
  host: { bootId: boot },
  kill: () => process.kill(process.pid, 'SIGKILL'),
});
if (fault !== undefined) await ask(agent.socket, 'POST', '/v1/updates', { kernel: '7.2', fault });
