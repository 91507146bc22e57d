// nfdump's words for IP protocols: the numbers of IANA "Protocol Numbers" under its own short names, as 1.7 prints them for
// packets of each. Newer versions print the number.

const words: Readonly<Record<number, string>> = {
  1: 'ICMP IGMP GGP IPIP ST TCP CBT EGP IGP BBN NVPII PUP ARGUS ENCOM XNET CHAOS UDP MUX DCN HMP PRM XNS Trnk1 Trnk2 Leaf1 Leaf2 RDP IRTP ISO-4 NETBK MFESP MEINP DCCP 3PC IDPR XTP DDP',
  39: 'TP++ IL IPv6 SDRP Rte6 Frag6 IDRP RSVP GRE MHRP BNA ESP AH INLSP SWIPE NARP MOBIL TLSP SKIP ICMP6 NOHE6 OPTS6 HOST CFTP NET SATNT KLAN RVD IPPC FS SATM VISA IPCV CPNX CPHB WSN PVP BSATM SUNND WBMON WBEXP ISOIP VMTP SVMTP VINES TTP NSIGP DGP TCF EIGRP OSPF S-RPC LARP MTP AX.25 OS MICP SCCSP ETHIP ENCAP',
  100: 'GMTP IFMP PNNI PIM ARIS SCPS QNX A/N IPcmp SNP CpqPP IPXIP VRRP PGM 0hop L2TP DDX IATP STP SRP UTI SMP SM PTP ISIS4 FIRE CRTP CRUDP',
  129: 'IPLT SPS PIPE SCTP FC',
  135: 'MHEAD UDP-L MPLS',
};

const numbers = new Map<string, number>();
for (const [first, names] of Object.entries(words))
  for (const [i, name] of names.split(' ').entries()) numbers.set(name, Number(first) + i);

/** Number of a protocol by its word; 0 where it is none. */
export function protocolOf(word: string): number {
  return numbers.get(word) ?? 0;
}
