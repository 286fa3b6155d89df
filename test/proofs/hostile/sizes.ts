/** How much of everything. */
export interface Sizes {
  /** Of what was thought of, one in so many. */
  readonly everyCrafted: number;
  /** Inputs that are generated, through all doors together. */
  readonly generated: number;
  /** What any answer may take, in milliseconds; beside other tests, what only a server takes that hangs. */
  readonly patienceMs: number;
}

export type Form = 'short' | 'usual' | 'full';

export const forms: Readonly<Record<Form, Sizes>> = {
  short: { everyCrafted: 7, generated: 600, patienceMs: 15_000 },
  usual: { everyCrafted: 1, generated: 20_000, patienceMs: 5_000 },
  full: { everyCrafted: 1, generated: 200_000, patienceMs: 5_000 },
};
