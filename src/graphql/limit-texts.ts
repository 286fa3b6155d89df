import { defaultLimits } from '../limits.ts';

/** A count as descriptions show it, such as `16,384`. */
export function inWords(count: number): string {
  return count.toLocaleString('en-US');
}

/** What the description of a connection says of `first` and `last`. */
export function pageSizes(max: number = defaultLimits.pageSize): string {
  return `\`first\` and \`last\` are 0 to ${inWords(max)}, ${inWords(defaultLimits.defaultPageSize)} if not given`;
}
