/** A part of time, in milliseconds since 1970. */
export type Span = readonly [start: number, end: number];

/** Spans that differ by less than this are equally wide: each run takes the time of its own beginning for "now". */
const alikeMs = 3_600_000;
/** Spans of one kind that are kept. */
export const MOST_SPANS = 8;

export function lengthOfBoth(one: Span, other: Span): number {
  return Math.max(0, Math.min(one[1], other[1]) - Math.max(one[0], other[0]));
}

function lengthOf([start, end]: Span): number {
  return end - start;
}

export function isWithin(span: Span, other: Span): boolean {
  return other[0] <= span[0] && other[1] >= span[1];
}

/** Spans after one more has come: those that touch it or overlap with it become one. Of too many the oldest are forgotten. */
export function withSpan(spans: readonly Span[], span: Span): readonly Span[] {
  const joining = spans.filter(([start, end]) => end >= span[0] && start <= span[1]);
  const apart = spans.filter((each) => !joining.includes(each));
  const joined: Span = [
    Math.min(span[0], ...joining.map(([start]) => start)),
    Math.max(span[1], ...joining.map(([, end]) => end)),
  ];
  return [...apart, joined].sort((one, other) => one[0] - other[0]).slice(-MOST_SPANS);
}

/** What is asked for after one more span was. */
export function withAsked(asked: readonly Span[], span: Span): readonly Span[] {
  return [...asked.filter((each) => !isInPlaceOf(span, each)), span].slice(-MOST_SPANS);
}

/** Is most of a span asked for again, and no less? */
export function isInPlaceOf(newer: Span, older: Span): boolean {
  return lengthOfBoth(newer, older) > lengthOf(older) / 2 && lengthOf(newer) > lengthOf(older) - alikeMs;
}

/** The last of equally wide ones; null of none. */
export function widest(spans: readonly Span[]): Span | null {
  return spans.reduce<Span | null>(
    (best, span) => (best && lengthOf(best) - alikeMs >= lengthOf(span) ? best : span),
    null,
  );
}
