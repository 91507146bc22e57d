// The demo's certificate authority, behind a door of its own: its library is heavy, and the gateway itself never issues.
export { type Authority, createAuthority, type Issued, type IssueOptions, issue } from '../ca.ts';
