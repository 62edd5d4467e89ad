export type { Recovery } from './decide.ts';
export { keepFault, recover } from './recover.ts';
