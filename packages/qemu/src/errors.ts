import { ExuviaError } from '@exuvia/contract';

/** QEMU said no to a command; `qemuClass` is QMP's error class (CommandNotFound, GenericError, ...). */
export class QmpCommandError extends ExuviaError {
  readonly command: string;
  readonly qemuClass: string;

  constructor(command: string, qemuClass: string, desc: string) {
    super('qmp-command-failed', `QEMU refused ${command}: ${desc}`);
    this.command = command;
    this.qemuClass = qemuClass;
  }
}

/** What came over the monitor is not QMP; the connection is closed by then. */
export class QmpProtocolError extends ExuviaError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('qmp-protocol', message, { ...options, hint: 'Is something else listening on this socket?' });
  }
}

/** The connection does not exist any more; a command that was under way may or may not have been executed. */
export class QmpClosedError extends ExuviaError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('qmp-closed', message, options);
  }
}

/** No answer in time. The connection stays open; a late answer is dropped. */
export class QmpTimeoutError extends ExuviaError {
  constructor(message: string) {
    super('qmp-timeout', message, {
      hint: 'QEMU may be blocked on storage, or another client holds its monitor.',
    });
  }
}

/** A transition that the connection's state machine does not have: a mistake in the program. */
export class QmpIllegalTransitionError extends ExuviaError {
  readonly from: string;
  readonly to: string;

  constructor(from: string, to: string) {
    super('qmp-illegal-transition', `A QMP connection cannot go from ${from} to ${to}.`);
    this.from = from;
    this.to = to;
  }
}
