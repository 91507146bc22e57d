import type { FaultTable } from '#events';

export const faults: FaultTable = {
  DNS_NOT_DNS: {
    text: 'Traffic on a DNS port is not DNS.',
    remedy: 'Find out what uses the port: a tunnel, a VPN or a scanner; a firewall can demand DNS there.',
    lost: 'the message',
  },
  DNS_IODINE_RAW: {
    text: 'A UDP payload on the DNS port starts as iodine raw mode does (10 d1 9e): a tunnel that has left DNS behind.',
    remedy: 'Isolate the client and block port 53 to all but the site resolver.',
    lost: 'the payload, which is not DNS',
  },
  DNS_SHORT: { text: 'A message is shorter than its header.', remedy: 'Look at the sender.', lost: 'the message' },
  DNS_CUT: {
    text: 'The capture holds only the beginning of a message.',
    remedy: 'Capture whole frames (snap length 0).',
    lost: 'the end of the message',
  },
  DNS_POINTER: {
    text: 'A compression pointer does not point strictly backwards (RFC 9267).',
    remedy: 'Look at the sender: no known implementation writes it.',
    lost: 'the message from there on',
  },
  DNS_LABEL_TYPE: {
    text: 'A label has the reserved type bits 01 or 10 (RFC 6891, 5).',
    remedy: 'Look at the sender.',
    lost: 'the message from there on',
  },
  DNS_NAME_LONG: {
    text: 'A name is longer than 255 octets (RFC 1035, 2.3.4).',
    remedy: 'Look at the sender.',
    lost: 'the message from there on',
  },
  DNS_NAME_CUT: {
    text: 'A name runs past the end of the message.',
    remedy: 'Look at the sender, or capture whole frames.',
    lost: 'the message from there on',
  },
  DNS_QUESTION_CUT: {
    text: 'A question ends before its type and class.',
    remedy: 'Look at the sender, or capture whole frames.',
    lost: 'the question and what follows',
  },
  DNS_QUESTIONS: {
    text: 'A message asks more than 64 questions.',
    remedy: 'Look at the sender: resolvers ask one.',
    lost: 'the questions after the 64th, and the answers',
  },
  DNS_RECORD_CUT: {
    text: 'A resource record runs past the end of the message.',
    remedy: 'Look at the sender, or capture whole frames.',
    lost: 'that record and what follows',
  },
  DNS_TXT_LENGTH: {
    text: 'A TXT string runs past its record.',
    remedy: 'Look at the answering server.',
    lost: 'that string',
  },
  DNS_OPT_TWICE: {
    text: 'A message has several OPT records (RFC 6891, 6.1.1).',
    remedy: 'Look at the sender.',
    lost: 'nothing: the first counts',
  },
  DNS_STREAM_LOST: {
    text: 'The message boundaries of a TCP connection are not known (started in the middle, or bytes are missing).',
    remedy: 'Capture from the start of the connection and without drops.',
    lost: 'bytes up to the next message that is recognised',
  },
};
