export * from './counting-guest.ts';
export * from './cpr-commands.ts';
export * from './find-qemu.ts';
export * from './process.ts';
