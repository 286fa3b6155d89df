import { badInput, noSuchUser } from '../errors.ts';
import type { Builder } from '../graphql/builder.ts';
import { inWords } from '../graphql/limit-texts.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import { checkText, checkTime } from '../log/record/check-values.ts';
import type { ConnectionTypes } from './connections.graphql.ts';
import type { ToldLink } from './connections.ts';
import type { LinkState } from './link-state.ts';
import { linkWords, meaningOfLinkWord } from './link-words.ts';
import type { LinkNews } from './tell-link.ts';

interface Report {
  readonly userId: string;
  readonly provider: string;
  readonly word: string;
  readonly state?: LinkState | null | undefined;
  readonly at?: Date | null | undefined;
  readonly connectionId?: string | null | undefined;
}

/** How producers report what becomes of connections, beside their syncs. */
export function addReportConnection(builder: Builder, { ProviderLink, LinkState }: ConnectionTypes): void {
  const ReportConnectionInput = builder.inputType('ReportConnectionInput', {
    description: 'What has become of a connection.',
    fields: (t) => ({
      userId: t.field({ type: 'UUID', required: true, description: 'Whose connection it is; must exist.' }),
      provider: t.string({
        required: true,
        description: `Slug of the provider, 1 to ${inWords(defaultLimits.providerLength)} characters.`,
      }),
      word: t.string({
        required: true,
        description: `What has happened, in the platform's word, 1 to ${inWords(defaultLimits.providerLength)} characters. These are known: ${linkWords.map((word) => `\`${word}\``).join(', ')}. With any other, give a \`state\`.`,
      }),
      state: t.field({
        type: LinkState,
        description: 'What the state is since then, if the word is not to tell; UNKNOWN leaves it as it is.',
      }),
      at: t.field({
        type: 'DateTime',
        description: 'When it happened; the present if it is not given. Give it to make a retry harmless.',
      }),
      connectionId: t.id({
        description: `The platform's id of the connection, 1 to ${inWords(defaultLimits.runIdLength)} characters.`,
      }),
    }),
  });
  const ReportConnectionPayload = builder.objectRef<ToldLink>('ReportConnectionPayload').implement({
    description: 'What has become of the report.',
    fields: (t) => ({
      duplicate: t.boolean({
        description: 'Was it told before, or has it been overtaken by what is newer? Then nothing was changed.',
        resolve: ({ outcome }) => outcome === 'duplicate',
      }),
      connection: t.field({
        type: ProviderLink,
        nullable: true,
        description: 'The connection as it stands now; for who may read.',
        authScopes: { read: true },
        resolve: ({ link }) => link,
      }),
    }),
  });
  builder.mutationField('reportConnection', (t) =>
    t.field({
      type: ReportConnectionPayload,
      description:
        'Tells what has become of a connection: that it was made, has broken, or is over. What is older than what is known changes nothing, so that reports may come in any order and any number of times. Needs the scope `write`.',
      args: { input: t.arg({ type: ReportConnectionInput, required: true, description: 'The report.' }) },
      authScopes: { write: true },
      resolve: async (_, { input }, { services: { connections, limits, clock } }) => {
        checkReport(input, limits);
        const told = await connections.tell(newsOf(input, clock()));
        if (!told) throw noSuchUser(input.userId);
        return told;
      },
    }),
  );
}

/** @throws AppError BAD_USER_INPUT for the first field that breaks a rule */
function checkReport({ provider, word, state, at, connectionId }: Report, limits: Limits): void {
  const problems = {
    provider: checkText(provider, 1, limits.providerLength),
    word: checkText(word, 1, limits.providerLength),
    at: checkTime(at, limits),
    connectionId: checkText(connectionId, 1, limits.runIdLength),
    state:
      state == null && !meaningOfLinkWord(word)
        ? `is needed, as no rule knows the word ${word}; known are ${linkWords.join(', ')}`
        : undefined,
  };
  for (const [field, problem] of Object.entries(problems))
    if (problem) throw badInput(`input.${field}: ${problem}`, ['input', field]);
}

function newsOf({ userId, provider, word, state, at, connectionId }: Report, now: number): LinkNews {
  const common = { userId, provider, connectionId: connectionId ?? null, at: at ?? new Date(now) };
  const meaning = (state === 'unknown' ? 'noted' : state) ?? meaningOfLinkWord(word);
  if (meaning === 'connected') return { ...common, kind: 'created' };
  if (meaning === 'noted') return { ...common, kind: 'noted', reason: word };
  return { ...common, kind: 'revoked', reason: word, isBroken: meaning === 'needs_reconnect' };
}
