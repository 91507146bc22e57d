export { decode, FILTERS_MAX } from './decode.ts';
export { encode } from './encode.ts';
export type {
  Ack,
  Connack,
  Connect,
  Ending,
  Malformed,
  Packet,
  Ping,
  Properties,
  Property,
  Publish,
  Qos,
  Sender,
  Subscribe,
  SubscribeAck,
  Subscription,
  Unsubscribe,
  Version,
  Will,
} from './packets.ts';
export { Id, noProperties, numberOf, Reason } from './packets.ts';
export { PROPERTIES_MAX } from './properties.ts';
export { PacketStream } from './stream.ts';
