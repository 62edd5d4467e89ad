import { createConnection } from 'node:net';
import { labPaths } from './state.ts';

const LEAVE = 0x1d;

/** Joins this terminal to the lab host's serial console, until Ctrl-] or the lab host ends. */
export function labConsole(): Promise<void> {
  const socket = createConnection(labPaths().console);
  const { stdin, stdout } = process;
  return new Promise((resolve, reject) => {
    const leave = (error?: Error) => {
      if (stdin.isTTY) stdin.setRawMode(false);
      stdin.pause();
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.once('error', leave);
    socket.once('close', () => leave());
    socket.once('connect', () => {
      process.stderr.write('Leave the console with Ctrl-].\n');
      if (stdin.isTTY) stdin.setRawMode(true);
      stdin.on('data', (bytes: Buffer) => {
        if (bytes.includes(LEAVE)) leave();
        else socket.write(bytes);
      });
      stdin.resume();
      socket.pipe(stdout, { end: false });
    });
  });
}
