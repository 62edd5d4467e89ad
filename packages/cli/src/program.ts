import { handoverKindSchema, vmmMethodSchema } from '@exuvia/contract';
import { Command, Option } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import type { GlobalOptions } from './connect.ts';
import type { ExitStatus } from './exit.ts';
import { addGuestCommands } from './guest-program.ts';
import type { Io } from './io.ts';

/** What every command is given. */
export interface Invocation<Options = unknown> {
  readonly args: readonly string[];
  readonly options: Options & GlobalOptions;
  readonly io: Io;
}

type Run<Options> = (invocation: Invocation<Options>) => Promise<ExitStatus>;

/** The tree of commands. Nothing but commander is loaded until one of them runs. */
export function createProgram(io: Io, finish: (status: ExitStatus) => void): Command {
  const program = new Command('exuvia')
    .description("Replaces a host's software underneath its running virtual machines.")
    .version(manifest.version)
    .option('--json', 'output for programs: one JSON document')
    .option('--host <url>', 'ask the agent of another host, https://HOST:PORT')
    .option('--ca <file>', "the authority of that agent's certificate")
    .option('--cert <file>', 'the certificate to show')
    .option('--key <file>', 'its key')
    .addOption(new Option('--socket <path>', "the local agent's socket").hideHelp())
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .addHelpText('after', EXAMPLES);

  const action = <Options>(load: () => Promise<Run<Options>>) =>
    async function (this: Command) {
      const run = await load();
      finish(await run({ args: this.args, options: this.optsWithGlobals(), io }));
    };
  const vm = program
    .command('vm')
    .description('virtual machines of the host')
    .addHelpText('after', '\nExamples:\n  exuvia vm create web.yaml --start\n  exuvia vm console web\n');
  const vms = () => import('./commands/vm.ts');
  vm.command('create <file>')
    .description('create a VM from its YAML spec (- reads standard input)')
    .option('--start', 'start it, too')
    .action(action(async () => (await vms()).create));
  vm.command('list')
    .description('all VMs')
    .action(action(async () => (await vms()).list));
  vm.command('show <name>')
    .description('everything about a VM')
    .action(action(async () => (await vms()).show));
  vm.command('start <name>')
    .description('start a VM, or let one run on that a full disk has stopped')
    .action(action(async () => (await vms()).start));
  vm.command('stop [name]')
    .description('power a VM down')
    .option('--all', 'every VM that runs or is paused, all at once')
    .option('--timeout <seconds>', 'so long the guest may take before its QEMU is ended', '60')
    .action(action(async () => (await import('./commands/stop.ts')).stop));
  vm.command('resume <name>')
    .description('let a VM run on that stands still')
    .action(action(async () => (await vms()).resume));
  vm.command('destroy <name>')
    .description('stop a VM, overwrite its memory and remove it; its disks are left alone')
    .action(action(async () => (await vms()).destroy));
  vm.command('console <name>')
    .description("connect to a VM's serial console; Ctrl-] leaves it")
    .action(action(async () => (await import('./commands/console.ts')).openConsole));
  vm.command('schema')
    .description('the JSON Schema of a VM spec, for editors')
    .action(action(async () => (await vms()).schema));

  program
    .command('setup')
    .description('reserve memory in which VMs outlive the kernel')
    .option('--memory <size>', 'how much, for example 8G')
    .option('--undo', 'take the setup back')
    .addHelpText('after', '\nExample:\n  exuvia setup --memory 8G && reboot\n')
    .action(action(async () => (await import('./commands/setup.ts')).setup));
  program
    .command('doctor')
    .description('what of this host can be updated how, and what stands in the way')
    .action(action(async () => (await import('./commands/doctor.ts')).doctor));
  addWishes(program.command('plan'))
    .description('what an update would do; changes nothing')
    .addHelpText('after', '\nExamples:\n  exuvia plan --kernel 7.2\n  exuvia plan --all\n')
    .action(action(async () => (await import('./commands/plan.ts')).plan));
  addWishes(program.command('update'))
    .description('update the host underneath its running VMs')
    .option('--plan <id>', 'execute a plan made before')
    .option('--no-wait', 'return when the update has begun')
    .addOption(new Option('--fault <step:action[:when[:vm]]>', 'inject a fault (tests)').hideHelp())
    .addHelpText(
      'after',
      '\nExamples:\n  exuvia update --all\n  exuvia update --kernel 7.2\n  exuvia update --qemu 11.1 --parallel 4\n  exuvia update --plan 20261121-103000-3f2a\n\nCtrl-C while it plans: no update begins. Afterwards: it goes on, and exuvia abort ends it.\n',
    )
    .action(action(async () => (await import('./commands/update.ts')).update));
  program
    .command('status')
    .description('what is going on')
    .action(action(async () => (await import('./commands/status.ts')).status));
  program
    .command('history')
    .description('past updates, newest first')
    .action(action(async () => (await import('./commands/status.ts')).history));
  program
    .command('report [update]')
    .description('the report of an update (default: the newest)')
    .option('--html <file>', 'write it as a self-contained page')
    .addHelpText('after', '\nExample:\n  exuvia report --html report.html\n')
    .action(action(async () => (await import('./commands/report.ts')).report));
  program
    .command('abort [update]')
    .description('end an update that has not jumped: every VM runs on, on the old kernel')
    .option('--no-wait', 'return when the abort has been asked for')
    .action(action(async () => (await import('./commands/update.ts')).abort));
  program
    .command('recover [names...]')
    .description('try again to restore VMs whose saved state an update has kept (default: all of them)')
    .addHelpText(
      'after',
      `
A VM that was saved for an update and could not be restored is shown by \`exuvia vm list\` as failed; its memory and
device state are kept. They are loaded only when they are exactly what was saved, and at most once.
To give such a VM up: exuvia vm stop NAME.

Examples:
  exuvia recover
  exuvia recover web --json
`,
    )
    .action(action(async () => (await import('./commands/recover.ts')).recover));
  program
    .command('continue [update]', { hidden: true })
    .description('let an update go on that an injected fault holds (tests)')
    .action(action(async () => (await import('./commands/update.ts')).goOn));
  program
    .command('cert')
    .description('certificates for remote access')
    .command('init <directory>')
    .description('make an authority, and certificates for an agent and a client')
    .option('--name <name...>', "the agent's host names and addresses", ['localhost', '127.0.0.1'])
    .option('--days <days>', 'how long they are valid', '825')
    .addHelpText(
      'after',
      '\nExample:\n  exuvia cert init /etc/exuvia/tls --name host1.example.org --name 192.0.2.7\n',
    )
    .action(action(async () => (await import('./commands/cert.ts')).certInit));
  addGuestCommands(program, action);
  program
    .command('lab')
    .description('virtual hosts to try all this on (not part of the host package)')
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async () => (await import('./commands/lab.ts')).refuseLab());
  program
    .command('completion <shell>')
    .description('a completion script: bash or zsh')
    .addHelpText('after', '\nExample:\n  exuvia completion bash > /etc/bash_completion.d/exuvia\n')
    .action(
      action(async () => {
        const { completion } = await import('./commands/completion.ts');
        return (invocation) => completion(invocation, program);
      }),
    );
  return program;
}

/** What an update is to bring, and how. */
function addWishes(command: Command): Command {
  return command
    .option('--all', 'everything that is installed and newer than what runs')
    .option('--kernel <release>', 'an installed kernel, or the beginning of its release')
    .option('--qemu <version>', 'another QEMU for the running VMs: the beginning of its version, or its path')
    .option('--module <name...>', 'kernel modules to load anew from their files')
    .addOption(
      new Option(
        '--handover <kind>',
        'an order; else the cheapest that does it. reboot alone: for new firmware',
      ).choices(handoverKindSchema.options),
    )
    .addOption(
      new Option('--method <method>', 'how VMs get another QEMU; else the cheapest').choices(
        vmmMethodSchema.options,
      ),
    )
    .option(
      '--parallel <n>',
      'at most so many VMs at once get another QEMU (default: 1; half as many as VMs have processors at most)',
    );
}

const EXAMPLES = `
Examples:
  exuvia setup --memory 8G          reserve memory for VMs, then reboot once
  exuvia vm create web.yaml --start
  exuvia update --kernel 7.2        the VMs live on
  exuvia report

Exit status: 0 done, 1 failed or a VM is not well after the update, 2 wrong usage, 3 refused or a check failed,
4 no agent or VM monitor reached, 130 interrupted. Ctrl-C leaves an update that has begun: exuvia abort ends it.
`;
