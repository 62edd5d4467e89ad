import manifest from '../package.json' with { type: 'json' };

/** Exuvia's version: that of every package of the workspace. */
export const VERSION: string = manifest.version;
