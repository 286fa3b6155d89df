/** Acts of administration, of which the audit log tells, with what each is. */
export const acts = {
  api_key_created: 'An API key was made; `details` has its name, scopes, prefix and end.',
  api_key_rotated: 'An API key got another secret; `details` has its prefix and ends.',
  api_key_revoked: 'An API key was ended.',
  user_tokens_made:
    'Tokens for users were made: one line for each credential and hour, with how many in `count`. It does not tell for whom.',
  user_created: 'A user was made by hand, and not by a source; `details` names the fields that were given.',
  user_updated: 'A user was changed; `details` names the fields, without their values.',
  user_exported:
    'An export of a user was begun by a service or a developer: one line for each of them, user and hour, with how many in `count`.',
  user_deleted: 'A user was erased; `details` counts what went with the user.',
} as const;

export type Act = keyof typeof acts;

/** Who acted, as far as the server knows. */
export const administratorKinds = {
  service: 'A program with an API key; `byId` is the id of the key, and `byName` its name.',
  developer: 'A member of staff or a backend with a bearer token; `byId` is its subject.',
  command_line: 'Somebody with a shell, by a command of this server.',
  program: 'A program that runs the server within it, such as the demo.',
} as const;

type AdministratorKind = keyof typeof administratorKinds;

export interface Administrator {
  readonly kind: AdministratorKind;
  /** Public id of an API key, or subject of a token: never a secret. */
  readonly id: string | null;
  readonly name: string | null;
}

export const commandLine: Administrator = { kind: 'command_line', id: null, name: null };
export const program: Administrator = { kind: 'program', id: null, name: null };
