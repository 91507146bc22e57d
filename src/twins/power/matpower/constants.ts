// Column numbers (from 1) as MATPOWER's idx_bus, idx_gen and idx_brch return them, in that order.
const numbered = (names: string, first: readonly number[] = []): Readonly<Record<string, number>> => {
  const list = names.split(' ');
  return Object.fromEntries(list.map((name, i) => [name, i < first.length ? first[i]! : i - first.length + 1]));
};

export const constants: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  // Four bus types come first: PQ 1, PV 2, REF 3, NONE 4.
  idx_bus: {
    ...numbered('PQ PV REF NONE BUS_I BUS_TYPE PD QD GS BS BUS_AREA VM VA BASE_KV ZONE VMAX VMIN', [1, 2, 3, 4]),
    LAM_P: 14,
    LAM_Q: 15,
    MU_VMAX: 16,
    MU_VMIN: 17,
  },
  idx_gen: numbered(
    'GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS PMAX PMIN PC1 PC2 QC1MIN QC1MAX QC2MIN QC2MAX RAMP_AGC RAMP_10 RAMP_30 RAMP_Q APF',
  ),
  idx_brch: {
    ...numbered('F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS'),
    PF: 14,
    QF: 15,
    PT: 16,
    QT: 17,
    MU_SF: 18,
    MU_ST: 19,
    ANGMIN: 12,
    ANGMAX: 13,
    MU_ANGMIN: 20,
    MU_ANGMAX: 21,
  },
};
