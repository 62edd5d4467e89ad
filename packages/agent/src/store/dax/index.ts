export { MKFS_ARGUMENTS, requireWritable } from './format.ts';
export { type StoreHost, storeHost } from './host.ts';
export { createDaxStore } from './store.ts';
