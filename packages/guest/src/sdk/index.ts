export { HEADER, HEADER_NAME } from './header.ts';
