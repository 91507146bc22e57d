export { datagramHello, Found, Handshake, type HelloFragment } from './handshake.ts';
export { ClientHello, HELLO_BYTES_MAX, isGrease, readClientHello } from './hello.ts';
export { type Ja4Transport, ja4Of } from './ja4.ts';
