export * from './files/durable.ts';
export * from './files/errno.ts';
export * from './process/run.ts';
