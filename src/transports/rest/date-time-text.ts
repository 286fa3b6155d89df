/**
 * Times in a query as pydantic reads them, which Open Wearables' routes do: dates, date-times of ISO 8601, and numbers of
 * seconds since 1970. A time without a zone is in UTC.
 */

const dateTimeText =
  /^(\d{4}-\d{2}-\d{2})(?:[Tt _](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:[Zz]|([+\u2212-])(\d{2}):?(\d{2}))?)?$/;
const numberText = /^[+-]?\d+(?:\.\d*)?$/;

/** A number beyond this is one of milliseconds. */
const MILLISECONDS_FROM = 20_000_000_000;
const FIRST_SECOND = -11_676_096_000; // 1600
const LAST_SECOND = 253_402_300_799; // 9999

/** The time that a text means, or why it means none, in pydantic's words. */
export function readDateTime(text: string): Date | string {
  return readIso(text) ?? readNumber(text) ?? whyNoDate(text);
}

function readIso(text: string): Date | undefined {
  const [, date, hour = '00', minute = '00', second = '00', fraction = '', sign, zoneHour = '00', zoneMinute = '00'] =
    dateTimeText.exec(text) ?? [];
  if (date === undefined || whyNoDate(date) !== '') return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  if (Number(zoneHour) > 23 || Number(zoneMinute) > 59) return undefined;
  const inUtc = Date.parse(`${date}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, '0')}Z`);
  const offset = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000;
  return new Date(Math.min(inUtc + (sign === '+' ? -offset : offset), LAST_SECOND * 1000));
}

function readNumber(text: string): Date | string | undefined {
  if (!numberText.test(text)) return undefined;
  const given = Number(text);
  const seconds = Math.abs(given) > MILLISECONDS_FROM ? given / 1000 : given;
  if (seconds < FIRST_SECOND) return 'dates before 1600 are not supported as unix timestamps';
  if (seconds > LAST_SECOND) return 'dates after 9999 are not supported as unix timestamps';
  return new Date(Math.floor(seconds * 1000));
}

/** Why a text does not begin with a date, or has more than that; nothing if it is a date. */
function whyNoDate(text: string): string {
  if (text.length < 10) return 'input is too short';
  const isDigits = (from: number, to: number) => /^\d+$/.test(text.slice(from, to));
  if (!isDigits(0, 4)) return 'invalid character in year';
  if (text[4] !== '-') return 'invalid date separator, expected `-`';
  if (!isDigits(5, 7)) return 'invalid character in month';
  if (text[7] !== '-') return 'invalid date separator, expected `-`';
  if (!isDigits(8, 10)) return 'invalid character in day';
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8, 10))];
  if (month < 1 || month > 12) return 'month value is outside expected range of 1-12';
  if (day < 1 || day > daysOf(year, month)) return 'day value is outside expected range';
  if (year < 1) return 'year 0 is out of range';
  return text.length > 10 ? 'unexpected extra characters at the end of the input' : '';
}

function daysOf(year: number, month: number): number {
  const last = new Date(0);
  last.setUTCFullYear(year, month, 0);
  return last.getUTCDate();
}
