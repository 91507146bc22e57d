// Subscriber identities leave the process as pseudonyms: the network stays readable (MCC and MNC, or the country's first
// digits), the person or device does not. The key comes from the city's name, so that two sensors of one city agree and
// two cities do not; it guards against casual reading, not against someone who holds the city file and tries all numbers.
import { createHmac } from 'node:crypto';

/** `26201~9f3c41d0a2` of an IMSI: MCC, the two first digits of the MNC, then 40 bits of an HMAC. */
export function pseudonymOfImsi(imsi: string, key: string): string {
  return imsi === '' ? '' : `${imsi.slice(0, 5)}~${digest(imsi, key)}`;
}

/** `91~0c1d...` of a telephone number. */
export function pseudonymOfMsisdn(msisdn: string, key: string): string {
  return msisdn === '' ? '' : `${msisdn.slice(0, 2)}~${digest(msisdn, key)}`;
}

function digest(text: string, key: string): string {
  return createHmac('sha256', `parapet subscriber ${key}`).update(text).digest('hex').slice(0, 10);
}
