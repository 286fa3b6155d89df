import type { Person } from './people.ts';

/** A person's account at a provider: what syncs happen on. */
export interface Account {
  readonly provider: string;
  readonly person: Person;
  /** Ids of the other profiles that use the same account: each sync reaches them too, as `linked_account`. */
  readonly linkedUserIds: readonly string[];
  /** Decides how syncs end, in the history and live, so that neither undoes what the other shows. */
  readonly state: 'working' | 'token_expired' | 'no_data' | 'silent' | 'new';
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

const states: Readonly<Record<string, Account['state']>> = {
  expired_token: 'token_expired',
  no_data: 'no_data',
  gone_silent: 'silent',
  just_connected: 'new',
};

function stateOf({ trouble }: Person, provider: string): Account['state'] {
  if (!trouble || ('provider' in trouble && trouble.provider !== provider)) return 'working';
  return states[trouble.kind] ?? 'working';
}
