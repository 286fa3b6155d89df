import type { HiddenTexts } from '../auth/producer-texts.ts';
import { searchedFields, type TextSearch } from '../log/found-text.ts';

/** The same filter, whose text is looked for only where the viewer is shown it: else a search would tell what is hidden. */
export function withinSight<Filter extends TextSearch>(
  filter: Filter | null | undefined,
  { hidden }: { readonly hidden: HiddenTexts },
): Filter | null | undefined {
  if (filter?.search == null || (!hidden.message && !hidden.error)) return filter;
  return { ...filter, searchedIn: searchedFields.filter((field) => field === 'runId' || !hidden[field]) };
}
