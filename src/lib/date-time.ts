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

const MS_PER_DAY = 86_400_000;
const digits = (length: number, count: number) =>
  Array.from({ length: count }, (_, number) => String(number).padStart(length, '0'));
const twoDigits = digits(2, 60);
const threeDigits = digits(3, 1_000);

/** The day that was last written, in days since 1970, and how its texts begin: kept for speed, and seen by nobody. */
let writtenDay = Number.NaN;
let dayText = '';

/** What `toISOString` writes, sooner where one time after another is of the same day; undefined for no time. */
export function dateTimeText(date: Date): string | undefined {
  const time = date.getTime();
  if (Number.isNaN(time)) return undefined;
  const day = Math.floor(time / MS_PER_DAY);
  if (day !== writtenDay) {
    writtenDay = day;
    dayText = date.toISOString().slice(0, -'00:00:00.000Z'.length);
  }
  const ms = time - day * MS_PER_DAY;
  const seconds = Math.floor(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  const clock = `${twoDigits[Math.floor(minutes / 60)]}:${twoDigits[minutes % 60]}:${twoDigits[seconds % 60]}`;
  return `${dayText}${clock}.${threeDigits[ms % 1_000]}Z`;
}
