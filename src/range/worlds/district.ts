// The Riverside district: the buses whose RTUs report over cellular modems. All neighbours of an inside bus are inside
// or on the rim; every rim bus has a unit. Buses 63 and 64 have neither load nor generation.
export const insideBuses = [50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 62, 63, 64, 67] as const;
export const rimBuses = [49, 61, 65, 66] as const;
export const districtBuses: readonly number[] = [...rimBuses, ...insideBuses].sort((a, b) => a - b);
