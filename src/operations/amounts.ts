import type { Variables } from './valid-operation.ts';

/** More than any limit, and a number that JSON can tell. */
export const MOST = Number.MAX_SAFE_INTEGER;

/** A number of items that is known, or that depends on variables. Within one question it is asked with one number. */
export type Amount = number | ((variables: Variables, question: number) => number);

export function sumOf(amounts: readonly Amount[]): Amount {
  const known = amounts.filter((amount) => typeof amount === 'number').reduce((sum, amount) => sum + amount, 0);
  const others = amounts.filter((amount) => typeof amount === 'function');
  if (others.length === 0) return Math.min(known, MOST);
  return (variables, question) =>
    Math.min(
      others.reduce((sum, amount) => sum + amount(variables, question), known),
      MOST,
    );
}

/** So many times what one costs. */
export function times(size: Amount, one: Amount): Amount {
  if (typeof size === 'number' && typeof one === 'number') return Math.min(size * one, MOST);
  const sizeWith = typeof size === 'number' ? () => size : size;
  const oneWith = typeof one === 'number' ? () => one : one;
  return (variables, question) => Math.min(sizeWith(variables, question) * oneWith(variables, question), MOST);
}

/** Worked out once for each question, because fragments of fragments would be counted again and again. */
export function once(amount: Amount): Amount {
  if (typeof amount === 'number') return amount;
  let answered = 0;
  let answer = 0;
  return (variables, question) => {
    if (answered !== question) answer = amount(variables, question);
    answered = question;
    return answer;
  };
}
