import { parseArgs } from 'node:util';
import { ExuviaError, HOST_PATHS, VERSION } from '@exuvia/contract';

const HELP = `exuvia-agent: updates this host's software under its running VMs

Usage: exuvia-agent [--config FILE]

Options:
  --config FILE  configuration (default: ${HOST_PATHS.config}; it may be absent)
  --version      prints the version
  --help         prints this

Signals: SIGTERM, SIGINT: aborts an update that has not jumped, then ends; VMs run on.
         SIGHUP: reads the configuration again.

Example: exuvia-agent --config ${HOST_PATHS.config}
`;

try {
  const { values } = parseArgs({
    options: {
      config: { type: 'string', default: HOST_PATHS.config },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) process.stdout.write(HELP);
  else if (values.version) process.stdout.write(`${VERSION}\n`);
  else await (await import('./daemon/run.ts')).run(values.config);
} catch (error) {
  const hint = error instanceof ExuviaError && error.hint !== undefined ? ` ${error.hint}` : '';
  process.stderr.write(`exuvia-agent: ${error instanceof Error ? error.message : String(error)}${hint}\n`);
  process.exitCode = 1;
}
