/** Milliseconds since 1970. `Date.now`, or what a test puts in its place. */
export type Clock = () => number;
