/** Milliseconds since 1970: by the database's clock, by `Date.now`, or by what a test puts in its place. */
export type Clock = () => number;
