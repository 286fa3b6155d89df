/**
 * Environment variables with which a process of Node starts with a clock that is so many milliseconds ahead of the real
 * one, or behind. Only what the calendar says is apart, as on a machine whose clock was set: time passes as it does.
 */
export function clockApart(ms: number): Readonly<Record<string, string>> {
  const script = `
    const Real = Date;
    globalThis.Date = class Date extends Real {
      constructor(...parts) {
        if (parts.length > 0) super(...parts);
        else super(Real.now() + ${ms});
      }
      static now() {
        return Real.now() + ${ms};
      }
    };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
}
