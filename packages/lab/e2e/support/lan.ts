import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeNamespace, type TestNamespace } from '@exuvia/sys/testing';
import { lanProgram } from '../../src/guests/program.ts';
import { LAN } from '../../src/guests/specs.ts';
import { type LabState, labPaths } from '../../src/host/state.ts';

/** A machine outside the lab host, on the network of its bridge: a network namespace and a cable. */
export interface Lan {
  readonly namespace: string;
  /** MAC addresses in the order in which they were announced by RARP since the last call. */
  announced(): string[];
  /** Waits until the lab host itself answers there. */
  reachesHost(limitMs: number): Promise<void>;
  remove(): Promise<void>;
}

export async function plugIntoLan(): Promise<Lan> {
  const outside = await makeNamespace('lan');
  const { lan, lanOutside } = labPaths();
  const { path } = await lanProgram();
  const cable = spawn('ip', ['netns', 'exec', outside.name, path, 'lan0', lanOutside, lan], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const announced: string[] = [];
  await new Promise<void>((resolve, reject) => {
    cable.once('exit', () => reject(new Error('The cable to the lab host cannot be plugged in.')));
    createInterface(cable.stdout).on('line', (line) => {
      if (line === 'ready') resolve();
      else announced.push(line.replace('announced ', ''));
    });
  });
  for (const { client } of [LAN.wire, LAN.ring])
    await outside.ip('address', 'add', `${client}/24`, 'dev', 'lan0');
  await outside.ip('link', 'set', 'lan0', 'up');
  return {
    namespace: outside.name,
    announced: () => announced.splice(0),
    reachesHost: (limitMs) => reaches(outside, LAN.host, 22, limitMs),
    async remove() {
      cable.stdin.end();
      await outside.remove();
    },
  };
}

async function reaches(from: TestNamespace, host: string, port: number, limitMs: number): Promise<void> {
  const script = `require('net').connect(${port}, '${host}').once('connect', () => process.exit(0)).once('error', () => process.exit(1))`;
  for (const deadline = Date.now() + limitMs; ; await sleep(500)) {
    const child = spawn('ip', ['netns', 'exec', from.name, process.execPath, '-e', script], {
      stdio: 'ignore',
      timeout: 10_000,
    });
    if ((await new Promise((resolve) => child.once('exit', resolve))) === 0) return;
    if (Date.now() > deadline) throw new Error(`${host} does not answer on port ${port}.`);
  }
}

/** A session of ssh in a guest, which answers each line with `heard LINE`. */
export interface SshSession {
  /** @throws Error when the session has ended, or says nothing. */
  ask(line: string, limitMs: number): Promise<string>;
  close(): void;
}

export function openSsh(lab: LabState, lan: Lan, address: string): SshSession {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
  ];
  const loop = 'while read line; do echo "heard $line"; done';
  const child = spawn(
    'ip',
    [
      ...['netns', 'exec', lan.namespace, 'ssh', '-F', 'none', '-i', lab.sshKey, '-o', 'IdentitiesOnly=yes'],
      ...options.flatMap((option) => ['-o', option]),
      ...[`root@${address}`, loop],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const heard: string[] = [];
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  createInterface(child.stdout).on('line', (line) => void heard.push(line));
  return {
    async ask(line, limitMs) {
      child.stdin.write(`${line}\n`);
      for (const deadline = Date.now() + limitMs; heard.length === 0; await sleep(50)) {
        if (ended) throw new Error('The ssh session has ended.');
        if (Date.now() > deadline) throw new Error('The ssh session says nothing.');
      }
      return heard.shift() ?? '';
    },
    close: () => child.stdin.end(),
  };
}
