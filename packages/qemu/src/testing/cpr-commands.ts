import type { QmpCommands } from '../generated/qapi.ts';

/** One QMP command as data. */
export type QmpCommandData = {
  [C in keyof QmpCommands]: { readonly execute: C; readonly arguments?: QmpCommands[C]['arguments'] };
}[keyof QmpCommands];

/**
 * The CPR choreography for a kernel update, as native/pause and native/early-restore have it, for tests without them: RAM
 * stays where it is, the rest goes into a file.
 *
 *   old side, VM runs:   prepare
 *   old side, pause:     save, then wait: event MIGRATION {status: completed | failed}, or poll query-migrate
 *     then either        `quit` (end of file is success)
 *     or                 rollback (the VM runs on where it was), as soon as query-status says something else
 *                        than `finish-migrate`: `cont` is refused until then
 *   new side:            load, then wait until query-status says something else than `inmigrate`; resume
 *
 * Sources: docs/devel/migration/CPR.rst of QEMU 10.0; tried on 10.0.13 and 11.1.3.
 */
interface CprCommands {
  readonly prepare: readonly QmpCommandData[];
  readonly save: readonly QmpCommandData[];
  readonly rollback: readonly QmpCommandData[];
  readonly load: readonly QmpCommandData[];
  readonly resume: readonly QmpCommandData[];
}

/**
 * The commands for one VM and its state file (an absolute path).
 *
 * `max-bandwidth: 0` lifts a limit of 128 MiB/s that holds for a stopped VM too. `stop` comes first so that
 * the VM's suspension and the saving of its state can be told apart; a VM that was saved stopped stays
 * stopped after the restore, hence `cont` there: while it loads, `cont` is accepted and may have no effect (QEMU 10.0,
 * process_incoming_migration_bh goes by the saved run state). (Without `stop`, cpr-reboot stops the VM by itself, and
 * it resumes by itself.)
 */
export function cprRebootCommands(stateFile: string): CprCommands {
  const uri = `file:${stateFile}`;
  return {
    prepare: [setCapabilities(true), setMode('cpr-reboot')],
    save: [{ execute: 'stop' }, { execute: 'migrate', arguments: { uri } }],
    rollback: [{ execute: 'cont' }, setMode('normal'), setCapabilities(false)],
    load: [setCapabilities(true), setMode('cpr-reboot'), { execute: 'migrate-incoming', arguments: { uri } }],
    resume: [{ execute: 'cont' }],
  };
}

/** `events` makes QEMU report MIGRATION; `x-ignore-shared` leaves RAM in shared named files where it is. */
function setCapabilities(state: boolean): QmpCommandData {
  return {
    execute: 'migrate-set-capabilities',
    arguments: {
      capabilities: [
        { capability: 'x-ignore-shared', state },
        { capability: 'events', state },
      ],
    },
  };
}

function setMode(mode: 'normal' | 'cpr-reboot'): QmpCommandData {
  return { execute: 'migrate-set-parameters', arguments: { mode, 'max-bandwidth': 0 } };
}
