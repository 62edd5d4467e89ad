import { vmPaths } from '@exuvia/contract';
import { labRun } from '../host/ssh.ts';
import type { LabState } from '../host/state.ts';

/** Asks a monitor that nobody else has open (that of the handover) what its vCPUs do; prints the answers. */
const MONITOR = `
const lines = ["info status", "info registers -a", "info lapic"];
const socket = require("net").connect(process.argv[1], () => socket.write("{\\"execute\\":\\"qmp_capabilities\\"}\\n"));
const ask = (line) => socket.write(JSON.stringify({ execute: "human-monitor-command", arguments: { "command-line": line } }) + "\\n");
let text = "";
socket.on("data", (data) => {
  text += data;
  for (let end; (end = text.indexOf("\\n")) >= 0; text = text.slice(end + 1)) {
    const message = JSON.parse(text.slice(0, end));
    if (typeof message.return === "string") console.log(message.return.trim());
    if (message.return === undefined) continue;
    const next = lines.shift();
    if (next === undefined) process.exit(0);
    ask(next);
  }
});
socket.on("error", (error) => { console.log(String(error)); process.exit(0); });
setTimeout(() => process.exit(0), 20000);`;

/**
 * What VMs of the lab host that are not heard of look like from their host: what they printed last, what QEMU says of
 * their vCPUs, and what their threads do. Never fails: it is part of an error that is about something else.
 */
export async function describeGuests(lab: LabState, names: readonly string[]): Promise<string> {
  const parts = names.map(async (name) => {
    const { consoleLog, qemuLog, handoverQmp, scope } = vmPaths(name);
    const look = [
      `echo "--- ${name}: console"; tail -n 5 ${consoleLog}; echo "--- ${name}: QEMU"; tail -n 3 ${qemuLog}`,
      `/usr/lib/exuvia/node/bin/node -e '${MONITOR}' ${handoverQmp} | grep -E "status|^CPU#|RIP|RSP|RBX|HLT|CR3|timer|LVTT|ISR|IRR"`,
      `for pid in $(cat /sys/fs/cgroup/exuvia.slice/${scope}/cgroup.procs); do ps -L -o tid=,psr=,stat=,time=,wchan:24=,comm= -p $pid; done`,
      `for cpu in 0 1; do timeout 100 exuvia guest stack ${name} --cpu $cpu; done 2>&1`,
    ];
    const { stdout } = await labRun(lab, look.join('; '), { allowFailure: true, timeoutMs: 240_000 });
    return stdout;
  });
  const host = labRun(lab, 'echo "--- lab host"; uname -r; uptime; dmesg | tail -n 5', {
    allowFailure: true,
  });
  const seen = await Promise.allSettled([...parts, host.then(({ stdout }) => stdout)]);
  return seen.map((part) => (part.status === 'fulfilled' ? part.value : String(part.reason))).join('\n');
}
