export { dnsBypass } from './bypass.ts';
