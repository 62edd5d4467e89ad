import { endLabSince } from '../../src/host/interrupted.ts';

/** `end-lab.ts BEGIN`: ends the lab host that was started since then (ms since 1970), if there is one. */
await endLabSince(Number(process.argv[2]));
