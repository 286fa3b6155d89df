const rfc3339 = /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;
const anyForm = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))? ?(Z|[+-]\d\d:?\d\d)?$/i;

/** A time in the one form that requests may have, cut to the millisecond. Undefined for anything else. */
export function parseRfc3339(text: string): Date | undefined {
  const [, day] = rfc3339.exec(text) ?? [];
  return day !== undefined && isDay(day) ? new Date(text.toUpperCase()) : undefined;
}

/** A time as Python writes it, and anything close, cut to the millisecond; without a time zone it is UTC. */
export function parseDateTime(text: string): Date | undefined {
  const [, day, clock, fraction = '', zone = 'Z'] = anyForm.exec(text.trim()) ?? [];
  if (day === undefined || !isDay(day)) return undefined;
  const parsed = new Date(`${day}T${clock}.${fraction.slice(0, 3).padEnd(3, '0')}${withColon(zone)}`);
  return Number.isNaN(parsed.getTime()) ? undefined : parsed;
}

/** JavaScript takes 30 February for 2 March. */
function isDay(day: string): boolean {
  const midnight = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
}

const withColon = (zone: string) => zone.toUpperCase().replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
