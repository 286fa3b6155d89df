import type { Limits } from '../../limits.ts';
import type { StatedDataType, StatedSpan } from '../event.ts';
import { checkCount, checkReason, checkText, checkTime } from './check-values.ts';

/**
 * All that is wrong with what an event says of types of data, each with its place: `[2].covered.start must be …`. Of an entry
 * only some parts may have been read, or none.
 */
export function checkDataTypes(told: readonly (StatedDataType | undefined)[], limits: Limits): string[] {
  if (told.length > limits.dataTypesPerEvent)
    return [`must have at most ${limits.dataTypesPerEvent} entries, it has ${told.length}`];
  const problems = told.flatMap((each, index) =>
    each ? problemsOf(each, limits).map((problem) => `[${index}].${problem}`) : [],
  );
  const names = new Map<string, number>();
  for (const [index, each] of told.entries()) {
    if (typeof each?.dataType !== 'string') continue;
    const first = names.get(each.dataType);
    if (first === undefined) names.set(each.dataType, index);
    else problems.push(`[${index}].dataType is the same as that of [${first}]`);
  }
  if (problems.length > 0) return problems;
  const bytes = Buffer.byteLength(JSON.stringify(told));
  return bytes > limits.metadataBytes
    ? [`must take at most ${limits.metadataBytes} bytes as JSON, it takes ${bytes}`]
    : [];
}

function problemsOf(told: StatedDataType, limits: Limits): string[] {
  const parts: Record<string, string | undefined> = {
    dataType: checkText(told.dataType, 1, limits.dataTypeLength),
    kind: checkText(told.kind, 1, limits.providerLength),
    state: checkText(told.state, 1, limits.providerLength),
    ...spanProblems('requested', told.requested, limits),
    ...spanProblems('covered', told.covered, limits),
    daysWithData: checkCount(told.daysWithData, limits),
    newestData: checkTime(told.newestData, limits),
    reportedRecords: checkCount(told.reportedRecords, limits),
    itemsInserted: checkCount(told.itemsInserted, limits),
    itemsUpdated: checkCount(told.itemsUpdated, limits),
    nativeType: checkText(told.nativeType, 1, limits.nativeTypeLength),
    errorCode: checkText(told.errorCode, 1, limits.nativeTypeLength),
    error: checkText(told.error, 0, limits.errorLength),
  };
  const problems = Object.entries(parts).flatMap(([part, problem]) => (problem ? [`${part} ${problem}`] : []));
  const ofReason = told.reason && checkReason(told.reason, limits);
  return ofReason ? [...problems, `reason.${ofReason}`] : problems;
}

function spanProblems(
  name: string,
  span: StatedSpan | null | undefined,
  limits: Limits,
): Record<string, string | undefined> {
  const { start, end } = span ?? {};
  return {
    [`${name}.start`]: checkTime(start, limits),
    [`${name}.end`]: checkTime(end, limits),
    [name]: start && end && start > end ? 'must not start after its end' : undefined,
  };
}
