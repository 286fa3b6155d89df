import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hasPrometheus, promtool } from '../support/prometheus.ts';
import { startServer } from '../support/server.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const rulesFile = join(deploy, 'prometheus/alerts.yaml');
const rules = readFileSync(rulesFile, 'utf8');
const dashboard = JSON.parse(readFileSync(join(deploy, 'grafana/dashboard.json'), 'utf8'));

type Series = Readonly<Record<string, string>>;

/** Each alert, when it is looked for, and one sample a minute of what it is about: ill and well. */
const cases: readonly [alert: string, at: string, ill: Series, well: Series][] = [
  ['SynclogDown', '5m', { 'up{job="synclog",instance="a"}': '0x60' }, { 'up{job="synclog",instance="a"}': '1x60' }],
  [
    'SynclogDatabaseAway',
    '5m',
    { 'synclog_outage{what="database writes",instance="a"}': '1x60' },
    { 'synclog_outage{what="database writes",instance="a"}': '0x60' },
  ],
  [
    'SynclogOutage',
    '10m',
    { 'synclog_outage{what="wake-ups",instance="a"}': '1x60' },
    { 'synclog_outage{what="wake-ups",instance="a"}': '0x60' },
  ],
  [
    'SynclogInternalErrors',
    '10m',
    {
      'synclog_requests_total{code="INTERNAL_SERVER_ERROR",door="graphql",operation="query user",instance="a"}':
        '_x8 1x20',
    },
    {
      'synclog_requests_total{code="INTERNAL_SERVER_ERROR",door="graphql",operation="query user",instance="a"}': '3x60',
    },
  ],
  [
    'SynclogUnavailable',
    '20m',
    {
      'synclog_requests_total{code="UNAVAILABLE",instance="a"}': '0+6x60',
      'synclog_requests_total{code="OK",instance="a"}': '0+50x60',
    },
    {
      'synclog_requests_total{code="UNAVAILABLE",instance="a"}': '0+1x60',
      'synclog_requests_total{code="OK",instance="a"}': '0+50x60',
    },
  ],
  [
    'SynclogSlow',
    '30m',
    {
      'synclog_request_duration_seconds_bucket{door="graphql",le="+Inf",instance="a"}': '0+100x60',
      'synclog_request_duration_seconds_bucket{door="graphql",le="2.5",instance="a"}': '0+100x60',
      'synclog_request_duration_seconds_bucket{door="graphql",le="0.5",instance="a"}': '0+50x60',
    },
    {
      'synclog_request_duration_seconds_bucket{door="graphql",le="+Inf",instance="a"}': '0+100x60',
      'synclog_request_duration_seconds_bucket{door="graphql",le="2.5",instance="a"}': '0+100x60',
      'synclog_request_duration_seconds_bucket{door="graphql",le="0.5",instance="a"}': '0+100x60',
    },
  ],
  [
    'SynclogDeliveryLate',
    '30m',
    {
      'synclog_delivery_lag_seconds_bucket{le="+Inf",instance="a"}': '0+100x60',
      'synclog_delivery_lag_seconds_bucket{le="5",instance="a"}': '0+100x60',
      'synclog_delivery_lag_seconds_bucket{le="2.5",instance="a"}': '0+50x60',
    },
    {
      'synclog_delivery_lag_seconds_bucket{le="+Inf",instance="a"}': '0+100x60',
      'synclog_delivery_lag_seconds_bucket{le="5",instance="a"}': '0+100x60',
      'synclog_delivery_lag_seconds_bucket{le="2.5",instance="a"}': '0+100x60',
    },
  ],
  [
    'SynclogWakeUpsLost',
    '20m',
    { 'synclog_lost_wake_ups_total{instance="a"}': '0+1x60' },
    { 'synclog_lost_wake_ups_total{instance="a"}': '0x60' },
  ],
  [
    'SynclogSlowConsumers',
    '20m',
    { 'synclog_slow_consumers_total{instance="a"}': '0+1x60' },
    { 'synclog_slow_consumers_total{instance="a"}': '0x60' },
  ],
  [
    'SynclogLimitsHit',
    '20m',
    { 'synclog_limits_hit_total{limit="user",door="graphql",instance="a"}': '0+10x60' },
    { 'synclog_limits_hit_total{limit="user",door="graphql",instance="a"}': '0+1x60' },
  ],
  [
    'SynclogCannotKeepUp',
    '5m',
    { 'synclog_pressure{instance="a"}': '2x60' },
    { 'synclog_pressure{instance="a"}': '0x60' },
  ],
  [
    'SynclogEventLoopLate',
    '10m',
    { 'nodejs_eventloop_lag_p99_seconds{job="synclog",instance="a"}': '0.5x60' },
    { 'nodejs_eventloop_lag_p99_seconds{job="synclog",instance="a"}': '0.02x60' },
  ],
  [
    'SynclogRecordingsWait',
    '5m',
    { 'synclog_held_up_recordings{instance="a"}': '101x60' },
    { 'synclog_held_up_recordings{instance="a"}': '3x60' },
  ],
  [
    'SynclogPoolExhausted',
    '5m',
    { 'synclog_database_connection_waiters{instance="a"}': '4x60' },
    { 'synclog_database_connection_waiters{instance="a"}': '0x60' },
  ],
  [
    'SynclogRetentionStands',
    '20m',
    { 'synclog_retention_doubts_clock{instance="a"}': '1x60' },
    { 'synclog_retention_doubts_clock{instance="a"}': '0x60' },
  ],
  [
    'SynclogSourceNotLive',
    '5m',
    { 'synclog_source_live{source="s",instance="a"}': '0x60' },
    { 'synclog_source_live{source="s",instance="a"}': '1x60' },
  ],
  [
    'SynclogSourceLate',
    '5m',
    { 'synclog_source_lag_seconds{source="s",instance="a"}': '20x60' },
    { 'synclog_source_lag_seconds{source="s",instance="a"}': '1x60' },
  ],
  [
    'SynclogQuarantine',
    '15m',
    { 'synclog_source_entries_total{source="s",outcome="quarantined",instance="a"}': '0x10 1x20' },
    { 'synclog_source_entries_total{source="s",outcome="quarantined",instance="a"}': '7x60' },
  ],
];

const alertNames = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);

/** One test for `promtool test rules`: how often the alert fires. */
function ruleTest([alert, at]: (typeof cases)[number], series: Series, value: number) {
  return {
    interval: '1m',
    input_series: Object.entries(series).map(([each, values]) => ({ series: each, values })),
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`,
        eval_time: at,
        exp_samples: [{ labels: '{}', value }],
      },
    ],
  };
}

/** The metrics that an expression names. */
const namesIn = (text: string) => [...text.matchAll(/\b(?:synclog|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name);

describe.runIf(hasPrometheus)('the alert rules', () => {
  test('are rules', () => {
    expect(promtool(['check', 'rules', rulesFile])).toMatchObject({ status: 0 });
  });

  test('fire when something is ill, and not when it is well', () => {
    expect(cases.map(([alert]) => alert)).toEqual(alertNames);
    const folder = mkdtempSync(join(tmpdir(), 'rules-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const tests = cases.flatMap((each) => [ruleTest(each, each[2], 1), ruleTest(each, each[3], 0)]);
    const file = join(folder, 'test.json'); // JSON is YAML
    writeFileSync(file, JSON.stringify({ rule_files: [rulesFile], evaluation_interval: '1m', tests }));
    expect(promtool(['test', 'rules', file])).toMatchObject({ status: 0 });
  });
});

test('every metric that a rule or the dashboard names is one that a server has', async () => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const known = new Set<string>();
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\w+)$/gm)) {
    if (type !== 'histogram') known.add(name);
    else for (const end of ['bucket', 'sum', 'count']) known.add(`${name}_${end}`);
  }
  const expressions = [
    ...[...rules.matchAll(/expr: >-\n((?: {10,}\S.*\n)+)/g)].map(([, expression = '']) => expression),
    ...dashboard.panels.flatMap(({ targets }: { targets: { expr: string }[] }) => targets.map(({ expr }) => expr)),
  ];
  expect(expressions.length).toBeGreaterThan(alertNames.length);
  expect(expressions.flatMap(namesIn).filter((name) => !known.has(name))).toEqual([]);
  const shown = new Set(expressions.flatMap(namesIn).map((name) => name.replace(/_(bucket|sum|count)$/, '')));
  const own = [...text.matchAll(/^# TYPE (synclog_\S+)/gm)].map(([, name = '']) => name);
  expect(own.filter((name) => !shown.has(name) && name !== 'synclog_build_info')).toEqual([]);
});

test('every alert says what has happened and what that means, and leads to its place in the page for operators', () => {
  for (const each of rules.split(/- alert: /).slice(1)) {
    const [name = ''] = each.split('\n');
    expect(each, name).toMatch(/severity: (critical|warning)\n/);
    expect(each, name).toMatch(/summary: '.+'\n {10}description: >-\n {12}\S.+\n/);
    expect(each, name).toContain(`runbook_url: docs/operations.md#${name.toLowerCase()}\n`);
  }
});

test('every panel of the dashboard has a place, and the variables that it uses', () => {
  const places = dashboard.panels.map(({ gridPos: { x, y } }: { gridPos: { x: number; y: number } }) => `${x} ${y}`);
  expect(new Set(places).size).toBe(places.length);
  expect(dashboard.templating.list.map(({ name }: { name: string }) => name)).toEqual(['datasource', 'instance']);
});
