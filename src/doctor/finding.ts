/** What the doctor looks at, in the order in which it is told. */
export type Area = 'settings' | 'machine' | 'database' | 'redis' | 'server';

/** One thing that was looked at. */
export interface Finding {
  readonly area: Area;
  /** `problem`: the server does not start, or does not keep a promise. `warning`: somebody should look at it. */
  readonly state: 'ok' | 'warning' | 'problem';
  readonly says: string;
  /** What to do about it; always there where there is something to do. */
  readonly advice?: string;
}

/** The three kinds of findings of one area. */
export function findingsOf(area: Area) {
  return {
    ok: (says: string): Finding => ({ area, state: 'ok', says }),
    warning: (says: string, advice: string): Finding => ({ area, state: 'warning', says, advice }),
    problem: (says: string, advice: string): Finding => ({ area, state: 'problem', says, advice }),
  };
}

/** Bytes as people read them. */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1_000 && unit < units.length - 1) {
    size /= 1_000;
    unit += 1;
  }
  return `${size >= 100 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}
