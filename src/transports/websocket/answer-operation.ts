import { GraphQLError } from 'graphql';
import type { SubscribePayload } from 'graphql-ws';
import { AppError } from '../../errors.ts';
import type { Admitted } from '../../gate/admit.ts';
import type { Gate } from '../../gate/gate.ts';
import type { StreamLife } from '../../graphql/context.ts';
import type { Alarms } from '../../lib/alarms.ts';
import type { FormatError } from '../../operations/format-error.ts';
import type { Operations } from '../../operations/operations.ts';
import type { Services } from '../../services.ts';
import type { RequestEntry, RequestLog } from '../request-log.ts';
import type { SocketAnswer } from './socket-operation.ts';

/** What all connections work with. */
export interface ConnectionTools {
  readonly operations: Operations;
  readonly services: Services;
  readonly gate: Gate;
  readonly formatError: FormatError;
  readonly requestLog: RequestLog;
  /** For the pings of all sockets. */
  readonly pings: Alarms;
}

/** Who is at the other end, and until when. */
export interface Accepted extends Admitted {
  readonly life: StreamLife;
}

/**
 * What a client that is let in gets for one operation.
 * @param running how many operations its connection has, this one among them; and whether it still has this one
 * @returns errors when it is refused
 */
export async function answerOperation(
  { operations, services, gate, formatError }: ConnectionTools,
  { life, ...admitted }: Accepted,
  { running, isWanted }: { readonly running: number; isWanted(): boolean },
  payload: SubscribePayload,
  entry: RequestEntry,
): Promise<SocketAnswer> {
  const { viewer, spending } = admitted;
  const { streamsPerSocket } = services.limits;
  try {
    if (running > streamsPerSocket)
      throw new AppError('LIMIT_EXCEEDED', `At most ${streamsPerSocket} operations can run on one connection`);
    spending.request();
    const { query } = operations.trusted.resolve(payload);
    operations.trusted.check(query, viewer);
    if (operations.isLong(query)) await operations.turn();
    if (!isWanted()) return [];
    const { mistakes, operation: operationNamed } = operations.prepare(query);
    if (mistakes.length > 0) return mistakes.map(formatError);
    const operation = operationNamed(payload.operationName);
    if (!operation) throw new GraphQLError('The document has no such operation, or several and no operationName');
    entry.runs(operation);
    const openStream = () => gate.streams.openWithin(admitted, life.signal);
    const parts = { viewer, spending, services, resumeAfter: null, openStream };
    return await operation.answer(parts, payload.variables ?? {});
  } catch (error) {
    return [formatError(error)];
  }
}
