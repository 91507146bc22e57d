export { clientHelloName, type NameRange } from './hello.ts';
