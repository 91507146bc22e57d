import type { FaultTable } from '#events';

/** Faults of a stream, whether it comes from a file or from a resolver. */
export const dnstapFaults: FaultTable = {
  DNSTAP_TRUNCATED: {
    text: 'The stream ends inside a frame.',
    remedy: 'Usual for a server that was stopped hard; the frames before it are sound.',
    lost: 'the last frame',
  },
  DNSTAP_FRAME_LENGTH: {
    text: 'A frame claims more than 262,144 octets (a control frame: 4,096).',
    remedy: 'No DNS message is that large: the writer is at fault or the stream is damaged.',
    lost: 'that frame; on a live connection also what the sender does not send again after it was cut off',
  },
  DNSTAP_CONTROL: {
    text: 'A control frame is of no known type, or a field of it runs beyond its end.',
    remedy: 'The writer is at fault; what could be read of it was used.',
    lost: 'nothing',
  },
  DNSTAP_CONTENT_TYPE: {
    text: 'The stream says that it carries something other than dnstap.',
    remedy: 'Point the server that writes dnstap here, and the other one elsewhere.',
    lost: 'the stream up to its next START',
  },
  DNSTAP_NOT_STARTED: {
    text: 'A data frame stands outside START and STOP.',
    remedy: 'The stream was cut at the front or joined wrongly; begin it with its START frame.',
    lost: 'that frame',
  },
  DNSTAP_PROTOBUF: {
    text: 'A frame is no dnstap message: a field runs beyond its end or is of no lawful kind.',
    remedy: 'The writer is at fault; the rest is read.',
    lost: 'that frame',
  },
  DNSTAP_NO_MESSAGE: {
    text: 'A frame has no DNS message in it.',
    remedy: 'Let the server log messages (Unbound: dnstap-log-client-query-messages; BIND: dnstap { client; }).',
    lost: 'that frame',
  },
  DNSTAP_MESSAGE_LENGTH: {
    text: 'A DNS message has more than the 65,535 octets that one can have.',
    remedy: 'The writer is at fault; the rest is read.',
    lost: 'that frame',
  },
  DNSTAP_TYPE: {
    text: 'A frame is of a dnstap type that is not known.',
    remedy: 'Only MESSAGE is defined; ask for the new type to be read.',
    lost: 'that frame',
  },
  DNSTAP_NO_TIME: {
    text: 'A message tells no time, or an impossible one; it takes that of the message before.',
    remedy: 'Let the server log times.',
    lost: 'the time of that message',
  },
};

/** Faults of listening besides those of the streams. */
export const dnstapListenFaults: FaultTable = {
  ...dnstapFaults,
  DNSTAP_ADDRESS: {
    text: 'The address to listen on is not understood or not there.',
    remedy: 'Give unix:/path/of.sock, or tcp:host:port with an address of this machine.',
    lost: 'all that the resolvers say',
  },
  DNSTAP_IN_USE: {
    text: 'Another process listens there.',
    remedy: 'Stop it, or give each its own socket or port.',
    lost: 'all that the resolvers say',
  },
  DNSTAP_NOT_PERMITTED: {
    text: 'This user may not listen there.',
    remedy: 'Use a folder that this user may write to, or a port above 1023.',
    lost: 'all that the resolvers say',
  },
  DNSTAP_SENDERS: {
    text: 'More than 64 senders at once.',
    remedy: 'See who connects; give each group of servers a socket of its own.',
    lost: 'what that sender says',
  },
  DNSTAP_HANDSHAKE: {
    text: 'A sender did not begin its stream within ten seconds.',
    remedy: 'Something other than a dnstap server connects here; find it, or narrow who may.',
    lost: 'what that sender says',
  },
  DNSTAP_SHED: {
    text: 'Messages came faster than they were taken for more than a second.',
    remedy: 'Give this sensor more processor, or let the server log client messages only.',
    lost: 'the messages dropped, so that counts of these clients are too low',
  },
};
