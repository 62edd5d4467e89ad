export { createDaxStore } from './store.ts';
