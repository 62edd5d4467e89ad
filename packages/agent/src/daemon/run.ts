import { type AgentConfig, ExuviaError, HOST_PATHS, parseAgentConfig } from '@exuvia/contract';
import { readIfExists } from '@exuvia/sys';
import { pino } from 'pino';
import { startAgent } from './agent.ts';
import { wire } from './wire.ts';

/**
 * Runs the agent until a signal ends it.
 *
 * @throws ExuviaError `config-invalid`, `agent-running`.
 */
export async function run(configFile: string): Promise<void> {
  let config = await readConfig(configFile);
  const log = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'The agent has a bug and ends; systemd starts it again.');
    process.exit(1);
  });
  const written = () => readConfig(configFile).catch(asConfigError);
  const parts = await wire(() => config, written, log);
  const agent = await startAgent({ paths: HOST_PATHS, config, parts, log });

  process.on('SIGHUP', () => {
    void (async () => {
      try {
        config = await readConfig(configFile);
        log.level = config.logLevel;
        await agent.reload(config);
        log.info({}, 'The configuration was read again.');
      } catch (error) {
        log.error({ err: error }, 'The configuration is not valid; the old one stays in force.');
      }
    })();
  });
  const signal = await Promise.race([signalled('SIGTERM'), signalled('SIGINT')]);
  log.info({ signal }, 'Ending; VMs run on.');
  await agent.stop();
  // What an update's jump or a recovery still has open must not keep the process.
  process.exit(0);
}

async function readConfig(file: string): Promise<AgentConfig> {
  return parseAgentConfig((await readIfExists(file)) ?? '', file);
}

function asConfigError(error: unknown): ExuviaError {
  if (error instanceof ExuviaError) return error;
  return new ExuviaError('config-invalid', error instanceof Error ? error.message : String(error));
}

function signalled(signal: 'SIGTERM' | 'SIGINT'): Promise<string> {
  const caught = Promise.withResolvers<string>();
  process.once(signal, () => caught.resolve(signal));
  return caught.promise;
}
