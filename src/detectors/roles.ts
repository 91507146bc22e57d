// Roles of field devices, by the words that city files write them in: one list for all planes, so that a device is the same to each.
const field = /meter|camera|rtu|plc|sensor|relay|controller|inverter|pump|valve|tank|light|sign|charger|\bbus\b/i;
/** Servers and office machines whose role holds such a word. */
const office = /domain|mail|print|web/i;

export const isFieldRole = (role: string): boolean => field.test(role) && !office.test(role);
