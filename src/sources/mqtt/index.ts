export { mqttFaults } from './faults.ts';
export { type MqttOptions, MqttSource, matches } from './mqtt.ts';
