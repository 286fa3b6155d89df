import { second } from './recording.ts';
import type { TestServer } from './server.ts';

/** An event as the model remembers it, in GraphQL's words. */
export interface ReferenceEvent {
  readonly userId: string;
  readonly sequence: number;
  readonly runId: string;
  readonly provider: string;
  readonly source: string;
  readonly stage: string;
  readonly status: string;
  readonly timestamp: string;
}

/** An event of the model's words, with what is special about it. */
export function eventOf(userId: string, special: Partial<ReferenceEvent> = {}): Omit<ReferenceEvent, 'sequence'> {
  const usual = { runId: 'run_1', provider: 'oura', source: 'PULL', stage: 'FETCHING', status: 'IN_PROGRESS' };
  return { userId, ...usual, timestamp: second(0), ...special };
}

export interface ReferenceFilter {
  readonly providers?: readonly string[] | undefined;
  readonly sources?: readonly string[] | undefined;
  readonly stages?: readonly string[] | undefined;
  readonly statuses?: readonly string[] | undefined;
  readonly runId?: string | undefined;
}

const finalStatuses = ['SUCCESS', 'PARTIAL', 'FAILED', 'CANCELLED', 'SKIPPED'];
const finalStages = ['COMPLETED', 'FAILED', 'CANCELLED'];
export const endsRun = ({ stage, status }: Pick<ReferenceEvent, 'stage' | 'status'>) =>
  finalStatuses.includes(status) || finalStages.includes(stage);
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** The log as a child would keep it: a list that every question searches from its beginning. */
export class ReferenceLog {
  readonly events: ReferenceEvent[] = [];

  /** Records the events with the server's log and, numbered by user, in the model. */
  async record(server: TestServer, drafts: readonly Omit<ReferenceEvent, 'sequence'>[]): Promise<void> {
    for (const draft of drafts) this.events.push({ ...draft, sequence: this.head(draft.userId) + 1 });
    for (let start = 0; start < drafts.length; start += 500)
      await server.app.services.log.record(
        drafts.slice(start, start + 500).map((draft) => ({
          ...draft,
          source: draft.source.toLowerCase(),
          stage: draft.stage.toLowerCase(),
          status: draft.status.toLowerCase(),
          timestamp: new Date(draft.timestamp),
        })),
      );
  }

  head(userId: string): number {
    return this.log(userId).length;
  }

  /** Oldest first. */
  log(userId: string, filter: ReferenceFilter = {}): ReferenceEvent[] {
    return this.events.filter((event) => event.userId === userId && matches(event, filter));
  }

  /** The events that tell how runs stand, newest activity first; ties by user and run, both descending. */
  runs(filter: Omit<ReferenceFilter, 'stages' | 'runId'>, userId?: string): ReferenceEvent[] {
    const runs = new Map<string, ReferenceEvent>();
    const milestones = new Map<string, string>();
    for (const event of this.events) {
      const key = `${event.userId} ${event.runId}`;
      const newest = runs.get(key)?.timestamp ?? '';
      const milestone = milestones.get(key) ?? '';
      const isLater = event.timestamp >= newest;
      if (isLater || (endsRun(event) && event.timestamp >= milestone))
        runs.set(key, { ...event, timestamp: isLater ? event.timestamp : newest });
      if ((event.stage === 'STARTED' || endsRun(event)) && event.timestamp > milestone)
        milestones.set(key, event.timestamp);
    }
    return [...runs.values()]
      .filter((run) => (userId === undefined || run.userId === userId) && matches(run, filter))
      .sort((a, b) => byBytes(b.timestamp, a.timestamp) || byBytes(b.userId, a.userId) || byBytes(b.runId, a.runId));
  }
}

function matches(event: ReferenceEvent, { providers, sources, stages, statuses, runId }: ReferenceFilter): boolean {
  return (
    (providers?.includes(event.provider) ?? true) &&
    (sources?.includes(event.source) ?? true) &&
    (stages?.includes(event.stage) ?? true) &&
    (statuses?.includes(event.status) ?? true) &&
    (runId === undefined || runId === event.runId)
  );
}
