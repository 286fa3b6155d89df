/** A user of the demo. */
export interface Person {
  readonly id: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly email: string;
  readonly externalUserId: string;
  /** Slugs of the providers this person has connected. */
  readonly providers: readonly string[];
  /** Id of the person whose provider accounts this profile uses as well. */
  readonly sharesAccountsOf?: string;
  readonly trouble?: Trouble;
}

/** What keeps going wrong for a person, so that every kind of bad health can be seen in the demo. */
type Trouble =
  /** For some days now the provider has refused the stored token: each pull from it fails. */
  | { readonly kind: 'expired_token'; readonly provider: string }
  /** Syncs succeed and bring nothing. */
  | { readonly kind: 'no_data' }
  /** A Garmin backfill began and was never heard of again. */
  | { readonly kind: 'lost_backfill' }
  /** A Garmin backfill was cancelled half-way. */
  | { readonly kind: 'cancelled_backfill' }
  /** For some days now nothing has been heard of the provider. */
  | { readonly kind: 'gone_silent'; readonly provider: string }
  /** The provider was connected just now, and the first sync crashed. */
  | { readonly kind: 'just_connected'; readonly provider: string };

/** The first person has the most devices: the one to open first. */
export const demoPeople: readonly [Person, ...Person[]] = [
  {
    ...named('Ada', 'Moreau'),
    id: '0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001',
    providers: ['garmin', 'oura', 'whoop', 'apple', 'strava'],
  },
  {
    ...named('Ada', 'Moreau (clinic)', 'ada.clinic'),
    id: '1f9d4c37-52be-4c7a-8b0e-6ad7710be002',
    providers: ['garmin', 'whoop'],
    sharesAccountsOf: '0b6e2a54-7d0c-4f5e-9a51-3c1f6f2ad001',
  },
  {
    ...named('Bram', 'de Vries'),
    id: '2c81f0e9-a6d3-4b18-9c64-05e2b9d3f003',
    providers: ['fitbit', 'strava'],
    trouble: { kind: 'expired_token', provider: 'fitbit' },
  },
  {
    ...named('Chidi', 'Okafor'),
    id: '3a47b5d2-18fc-4e90-a7d5-9b30c4e1a004',
    providers: ['garmin', 'polar', 'ultrahuman'],
    trouble: { kind: 'just_connected', provider: 'ultrahuman' },
  },
  {
    ...named('Dana', 'Lindqvist'),
    id: '4e05c6a8-93d1-4a2f-8e7b-d1f64a7cb005',
    providers: ['ultrahuman'],
    trouble: { kind: 'no_data' },
  },
  {
    ...named('Elif', 'Yılmaz'),
    id: '5d72e813-c04b-4d6a-b2f9-47a8c05dc006',
    providers: ['samsung', 'oura'],
  },
  { ...named('Farid', 'Haddad'), id: '6b38a94f-2e57-4c01-9d8c-e60f13bed007', providers: ['suunto', 'strava'] },
  {
    ...named('Grace', 'Kim'),
    id: '7c90d1be-f462-4837-a5e0-28db97cfe008',
    providers: ['garmin'],
    trouble: { kind: 'lost_backfill' },
  },
  { ...named('Hiro', 'Tanaka'), id: '8fa163d7-0b9e-4572-8c3d-b5e4206df009', providers: ['apple', 'whoop'] },
  {
    ...named('Inês', 'Carvalho'),
    id: '9d24f7c0-6e8a-49b3-b1d7-13c9a85e0010',
    providers: ['polar', 'fitbit'],
    trouble: { kind: 'gone_silent', provider: 'fitbit' },
  },
  {
    ...named('Jonas', 'Weber'),
    id: 'a1c85e36-d7f0-4a94-8b62-7e0d4f9b1011',
    providers: ['garmin', 'oura'],
    trouble: { kind: 'cancelled_backfill' },
  },
  {
    ...named('Kavya', 'Nair'),
    id: 'b7e39d12-45ca-4f68-9e01-c2a6d8b02012',
    providers: ['whoop', 'ultrahuman', 'samsung'],
  },
];

function named(firstName: string, lastName: string, handle = plainLetters(firstName)) {
  return { firstName, lastName, email: `${handle}@example.com`, externalUserId: `demo-${handle.replace('.', '-')}` };
}

function plainLetters(name: string): string {
  return name
    .normalize('NFD')
    .replaceAll(/[^a-z]/gi, '')
    .toLowerCase();
}
