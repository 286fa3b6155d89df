import { type MetricValue, type Metric as PromMetric, Registry } from 'prom-client';
import type { Histogram } from '../../lib/histogram.ts';

type Labels = Readonly<Record<string, string>>;

/** The name is that of the metric, if none is given. */
type SeriesValue = MetricValue<string> & { readonly metricName?: string };

/** One figure, or all of one kind, as Prometheus reads them. What is read when somebody asks costs nothing until then. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly read: () => SeriesValue[];
}

/** What only grows; its name ends with `_total`. */
export function counter(name: string, help: string, read: () => number | readonly LabelledValue[]): Metric {
  return { name, help, type: 'counter', read: () => valuesOf(read()) };
}

export function gauge(name: string, help: string, read: () => number | readonly LabelledValue[]): Metric {
  return { name, help, type: 'gauge', read: () => valuesOf(read()) };
}

export interface LabelledValue {
  readonly labels: Labels;
  readonly value: number;
}

/** @param read the values by size, for each combination of labels */
export function histogram(
  name: string,
  help: string,
  read: () => readonly { readonly labels: Labels; readonly histogram: Histogram }[],
): Metric {
  return {
    ...{ name, help, type: 'histogram' },
    read: () => read().flatMap(({ labels, histogram }) => seriesOf(name, labels, histogram)),
  };
}

/** A registry of these metrics. */
export function registryOf(metrics: readonly Metric[]): Registry {
  const registry = new Registry();
  for (const { read, ...metric } of metrics) {
    const registered = { ...metric, aggregator: 'sum', get: async () => ({ ...metric, values: read() }) };
    registry.registerMetric(registered as unknown as PromMetric); // all that a registry asks of one is `name` and `get`
  }
  return registry;
}

function valuesOf(read: number | readonly LabelledValue[]): SeriesValue[] {
  return typeof read === 'number' ? [{ labels: {}, value: read }] : read.map((each) => ({ ...each }));
}

/** Each bucket holds what those before it do. */
function seriesOf(name: string, labels: Labels, { bounds, counts, sum }: Histogram): SeriesValue[] {
  let count = 0;
  const buckets = counts.map((each, at) => {
    count += each;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bounds[at] ?? '+Inf') }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
