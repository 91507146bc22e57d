export { dnsTunnel } from './tunnel.ts';
