import type { FaultTable } from '#events';
import { ndjsonFaults } from '../ndjson/index.ts';

export const mqttFaults: FaultTable = {
  ...ndjsonFaults,
  MQTT_UNREACHABLE: {
    text: 'The broker could not be reached, or refused the connection.',
    remedy: 'Check address, rights and certificate of the broker; it is tried again every few seconds.',
    lost: 'what is published until it can be reached',
  },
  MQTT_DISCONNECTED: {
    text: 'The connection to the broker broke off.',
    remedy: 'It is tried again every few seconds; if it comes back often, look at the broker and the path to it.',
    lost: 'what is published until it is back, except what the broker keeps',
  },
  MQTT_SUBSCRIBE: {
    text: 'The broker refused a subscription.',
    remedy: 'Give this client the right to read the topics of twins.power.readings and twins.power.commands.',
    lost: 'all that is published there',
  },
  MQTT_SHED: {
    text: 'Readings came faster than they were taken; the oldest were dropped.',
    remedy: 'Find out whether somebody floods the broker; else give this machine more room.',
    lost: 'the oldest waiting readings, counted as shed',
  },
  MQTT_COMMANDS_SHED: {
    text: 'More commands wait than an honest control room sends; the newest were dropped.',
    remedy: 'Find out who sends them.',
    lost: 'the newest commands, counted as shed',
  },
  MQTT_RETAINED_COMMAND: {
    text: 'A command was stored in the broker as a retained message, so that it would run again at each connection.',
    remedy: 'Delete the retained message, and find out who published it.',
    lost: 'that command',
  },
  MQTT_WRONG_PLACE: {
    text: 'A record came on a topic for the other kind: a command among readings, or a reading among commands.',
    remedy: 'Find out who published it, and whether the rights of that client are too wide.',
    lost: 'that record',
  },
  MQTT_ASSET: {
    text: 'A reading names an asset other than that of its topic, and the topic is not its gateway (via) either.',
    remedy: 'Find out who published it: one device speaks in the name of another.',
    lost: 'that reading',
  },
};
