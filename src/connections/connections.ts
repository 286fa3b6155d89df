import type { Database, Decision } from '../db/database.ts';
import type { ProviderLink } from '../db/rows.ts';
import { joinSql, SELECTS_PER_STATEMENT, sql } from '../db/sql.ts';
import type { WakeUps } from '../instances/wake-ups.ts';
import type { Clock } from '../lib/clock.ts';
import { groupBy } from '../lib/group-by.ts';
import { inPieces } from '../lib/in-pieces.ts';
import type { Limits } from '../limits.ts';
import { logSqlOf } from '../log/sql/log-sql-of.ts';
import { noteChange } from '../log/sql/revision.ts';
import { type ConnectionKey, connectionUpsert, selectConnections, selectedConnection } from './connection-sql.ts';
import { newLink } from './fold-connection.ts';
import { judged } from './judged.ts';
import { linkKindsOf } from './link-kinds.ts';
import { type LinkPageRequest, partsOf, selectLinkPage } from './link-pages.ts';
import { foldLinkNews, type LinkNews } from './tell-link.ts';

/** What has become of news. */
export interface ToldLink {
  readonly outcome: 'recorded' | 'duplicate';
  /** The connection as it stands after it. */
  readonly link: ProviderLink;
}

/** SQLite puts up to 500 together. */
const PARTS_PER_STATEMENT = 400;

/** How users stand with their providers. What syncs tell of it, the projection writes. */
export class Connections {
  readonly #database: Database;
  readonly #limits: Pick<Limits, 'connectionsPerUser'>;
  readonly #wakeUps: WakeUps;
  readonly #clock: Clock;

  constructor(parts: {
    readonly database: Database;
    readonly limits: Pick<Limits, 'connectionsPerUser'>;
    readonly wakeUps: WakeUps;
    readonly clock: Clock;
  }) {
    this.#database = parts.database;
    this.#limits = parts.limits;
    this.#wakeUps = parts.wakeUps;
    this.#clock = parts.clock;
  }

  /**
   * Takes what is told of a connection. Resolves once it is durable: to the connection, and whether all of this was told
   * before or has been overtaken; or to undefined where there is no such user. One transaction, under the lock of the user.
   * @throws AppError UNAVAILABLE where somebody else keeps the user locked
   */
  async tell(told: LinkNews): Promise<ToldLink | undefined> {
    const { kind } = this.#database;
    // A clock that is ahead would hide all that is told after it.
    const news = { ...told, at: new Date(Math.min(told.at.getTime(), this.#clock())) };
    const sql = logSqlOf(this.#database);
    const answer = await this.#database.change(async (reading): Promise<Decision<ToldLink | undefined>> => {
      const key: ConnectionKey = [news.userId, news.provider];
      const [{ heads, change }, [link]] = await Promise.all([
        sql.lockUsers(reading, [news.userId], 'wait'),
        reading.$queryRaw<ProviderLink[]>(selectConnections[kind]([key])),
      ]);
      if (!heads.has(news.userId)) return { answer: undefined, writes: [] };
      const folded = foldLinkNews(link, news);
      if (!folded) return { answer: { outcome: 'duplicate', link: link ?? newLink(news) }, writes: [] };
      const after = { ...judged(folded, this.#clock()), change };
      return {
        answer: { outcome: 'recorded', link: after },
        writes: [connectionUpsert[kind]([after]), ...noteChange[kind]([news.userId], change)],
      };
    });
    if (answer?.outcome === 'recorded') this.#wakeUps.notify({ kind: 'touched', userId: news.userId });
    return answer;
  }

  /** Any mix of pages, each by provider and user; up to a hundred that ask for no provider are one statement. */
  async list(requests: readonly LinkPageRequest[]): Promise<readonly (readonly ProviderLink[])[]> {
    const pages: ProviderLink[][] = requests.map(() => []);
    const most = Math.max(1, ...requests.map(partsOf));
    for (const some of inPieces([...requests.entries()], Math.max(1, Math.floor(PARTS_PER_STATEMENT / most)))) {
      const selects = some.map(([index, request]) => selectLinkPage(this.#database.kind, request, index));
      const rows = this.#database.reader.$queryRaw<(ProviderLink & { readonly page: number })[]>`
        WITH RECURSIVE ${linkKindsOf[this.#database.kind].kinds} ${joinSql(selects, ' UNION ALL ')}
        ORDER BY "provider", "userId"`;
      for (const { page, ...link } of await rows) pages[page]?.push(link);
    }
    return pages;
  }

  /** The connections of each of these users, by provider and at most `connectionsPerUser`. */
  async ofUsers(userIds: readonly string[]): Promise<readonly (readonly ProviderLink[])[]> {
    const found: ProviderLink[] = [];
    for (const some of inPieces(userIds, SELECTS_PER_STATEMENT)) {
      const selects = some.map(
        (userId) => sql`SELECT * FROM (
          SELECT ${selectedConnection} FROM provider_connection c WHERE c.user_id = ${userId}
          ORDER BY c.provider LIMIT ${this.#limits.connectionsPerUser}) AS p`,
      );
      const rows = this.#database.reader.$queryRaw<ProviderLink[]>`
        ${joinSql(selects, ' UNION ALL ')} ORDER BY "provider"`;
      found.push(...(await rows));
    }
    const byUser = groupBy(found, ({ userId }) => userId);
    return userIds.map((userId) => byUser.get(userId) ?? []);
  }
}
