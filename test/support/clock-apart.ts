/** How long a clock that jumps stays where it is. */
const STAY_MS = 700;

/**
 * Environment variables with which a process of Node starts with a clock that is so many milliseconds ahead of the real
 * one, or behind; with several numbers it jumps from one to the next, again and again. Only what the calendar says is
 * apart, as on a machine whose clock was set: time passes as it does.
 */
export function clockApart(...ms: number[]): Readonly<Record<string, string>> {
  const script = `
    const Real = Date;
    const apart = ${JSON.stringify(ms)};
    const now = () => Real.now() + apart[Math.floor(performance.now() / ${STAY_MS}) % apart.length];
    globalThis.Date = class Date extends Real {
      constructor(...parts) {
        if (parts.length > 0) super(...parts);
        else super(now());
      }
      static now() {
        return now();
      }
    };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
}
