import type { Viewer } from './viewer.ts';

/** What producers write freely, by the words of the setting `USER_VISIBLE`: it may tell of the inside of a platform. */
export const producerTexts = ['message', 'error', 'metadata'] as const;

export type ProducerText = (typeof producerTexts)[number];

/** Which of them are not shown. */
export type HiddenTexts = Readonly<Record<ProducerText, boolean>>;

const nothing: HiddenTexts = { message: false, error: false, metadata: false };

export function hiddenTextsBut(visible: readonly ProducerText[]): HiddenTexts {
  const isHidden = (text: ProducerText) => !visible.includes(text);
  return { message: isHidden('message'), error: isHidden('error'), metadata: isHidden('metadata') };
}

/** What this viewer is not shown. @param fromUsers what is hidden from whoever has a token for one user */
export function hiddenFrom({ kind }: Viewer, fromUsers: HiddenTexts): HiddenTexts {
  return kind === 'user' ? fromUsers : nothing;
}
