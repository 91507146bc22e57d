export { newEdge } from './new-edge.ts';
