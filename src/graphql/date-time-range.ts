import type { Builder } from './builder.ts';

/** A span of time of which a bound may not be known. */
export interface Range {
  readonly start: Date | null;
  readonly end: Date | null;
}

/** Spans of time, as fields show them. */
export function addDateTimeRange(builder: Builder) {
  return builder.objectRef<Range>('DateTimeRange').implement({
    description: 'A span of time; a bound that is not known is null.',
    fields: (t) => ({
      start: t.expose('start', { type: 'DateTime', nullable: true, description: 'Where it begins.' }),
      end: t.expose('end', { type: 'DateTime', nullable: true, description: 'Where it ends.' }),
    }),
  });
}

export type DateTimeRangeType = ReturnType<typeof addDateTimeRange>;
