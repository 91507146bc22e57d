// What a flow speaks, as the service column says it: one meaning by whichever road the flow came.

export const Service = {
  Unknown: 0,
  Tls: 1,
  Http: 2,
  Smb: 3,
  Dcerpc: 4,
  Ssh: 5,
  Rdp: 6,
  Mqtt: 7,
  Modbus: 8,
  Iec104: 9,
  Dns: 10,
  Winrm: 11,
  Dnp3: 12,
  Kerberos: 13,
  Quic: 14,
  Socks: 15,
  Dtls: 16,
} as const;

const byPort: Readonly<Record<number, number>> = {
  22: Service.Ssh,
  53: Service.Dns,
  80: Service.Http,
  88: Service.Kerberos,
  135: Service.Dcerpc,
  139: Service.Smb,
  443: Service.Tls,
  445: Service.Smb,
  502: Service.Modbus,
  853: Service.Tls,
  1883: Service.Mqtt,
  2404: Service.Iec104,
  3389: Service.Rdp,
  5985: Service.Winrm,
  5986: Service.Winrm,
  8883: Service.Mqtt,
  20000: Service.Dnp3,
};
const portService = new Uint8Array(65_536);
for (const [port, service] of Object.entries(byPort)) portService[Number(port)] = service;

export function serviceOfPort(port: number): number {
  return portService[port]!;
}

/**
 * @param content what the payload says, `Unknown` where it says nothing
 * @returns that; by the responder's port where it says nothing, or only what carries it: RDP goes inside TLS, WinRM inside HTTP
 */
export function serviceOf(content: number, port: number, protocol: number): number {
  if (protocol !== 6 && protocol !== 17) return content;
  const said = portService[port]!;
  // What a port means in TCP means another carrier in UDP: 443 is HTTP/3, 853 DNS over QUIC.
  if (content === Service.Unknown) return protocol === 17 && said === Service.Tls ? Service.Quic : said;
  const isCarrier = content === Service.Tls || content === Service.Http || content === Service.Dtls;
  return isCarrier && (said === Service.Rdp || said === Service.Winrm) ? said : content;
}
