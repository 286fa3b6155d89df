import type { Person } from './people.ts';

/** A person's account at a provider: what syncs happen on. */
export interface Account {
  readonly provider: string;
  readonly person: Person;
  /** Ids of the other profiles that use the same account: each sync reaches them too, as `linked_account`. */
  readonly linkedUserIds: readonly string[];
  /** Decides how syncs end, in the history and live, so that neither undoes what the other shows. */
  readonly state: 'working' | 'token_expired' | 'no_data';
}

/** Every account once: a profile that shares somebody's accounts has none of its own. */
export function accountsOf(people: readonly Person[]): Account[] {
  return people
    .filter((person) => person.sharesAccountsOf === undefined)
    .flatMap((person) =>
      person.providers.map((provider) => ({
        provider,
        person,
        linkedUserIds: people
          .filter((other) => other.sharesAccountsOf === person.id && other.providers.includes(provider))
          .map((other) => other.id),
        state: stateOf(person, provider),
      })),
    );
}

function stateOf({ trouble }: Person, provider: string): Account['state'] {
  if (trouble?.kind === 'expired_token' && trouble.provider === provider) return 'token_expired';
  return trouble?.kind === 'no_data' ? 'no_data' : 'working';
}
