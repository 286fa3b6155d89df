/** How much of a number, or of a place, an explanation shows. */
const SHOWN_LENGTH = 60;
/** Deeper than any value may be that is taken: what is wrong further down is said of what it stands in. */
const DEEPEST_PLACE = 40;
/** With more of them than this, it is said of the whole text. */
const MOST_PLACES = 5_000;

/**
 * Numbers that may not be what JavaScript reads: those of 16 characters or more, and those with an exponent of three
 * digits. Any shorter number has at most 15 significant digits, which a double always keeps.
 */
const doubtful = /(?:^|[[,:\s])-?(?:[\d.]{16}|[\d.]+[eE][+-]?\d{3})/;
/** The numbers among what may hold such ones. */
const longNumbers = /(?:^|[[,:\s])(-?\d[\d.eE+-]{4,})/g;

const numberToken = /-?\d[\d.eE+-]*/y;

/**
 * `JSON.parse`, but nothing is changed in silence: in the place of a number that no JavaScript number keeps
 * (9007199254740993, 1e400, 0.1000000000000000055511), and of a value whose key stands twice in its object, the result has a
 * symbol. No type of the schema takes a symbol, and its description says what is wrong. A number is kept if it comes out
 * with the same value as it came in, however it is spelled: 1.0 and 1e0 are 1, and -0 is 0.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Both of these cost less than the parsing; only where they find something is the text read by hand.
  if (holdsNumbersAsTheyAre(text) && countKeysInText(text) === countKeys(value)) return value;
  const root = { value };
  for (const { path, problem } of findUnkept(text)) putSymbol(root, path, problem);
  return root.value;
}

/** Does a key stand twice in its object, as far as that can be told? The text is well-formed JSON. */
export function hasKeyTwice(text: string): boolean {
  if (countKeysInText(text) === countKeys(JSON.parse(text))) return false;
  return findUnkept(text).some(({ isNumber }) => !isNumber);
}

/** What `parseJson` has put in the place of a value that it could not keep: why. Undefined for any value that it has kept. */
export function whyNotKept(value: unknown): string | undefined {
  return typeof value === 'symbol' ? value.description : undefined;
}

/** The same for a number that stands somewhere else than in JSON. @param place where, if that can be said */
export function numberOrSymbol(token: string, place: string): number | symbol {
  return isKept(token) ? Number(token) : Symbol(sayNumber(token, place));
}

interface Unkept {
  /** Keys and indices from the root. */
  readonly path: readonly (string | number)[];
  readonly problem: string;
  readonly isNumber?: true;
}

/** An object or a list that is being read. */
interface Open {
  /** The keys that an object has had; undefined for a list. */
  readonly keys: Set<string> | undefined;
  /** Where the reading stands: the newest key, or an index. */
  place: string | number;
  awaitsKey: boolean;
}

/** Reads JSON that is known to be well-formed. Numbers come before twice-used keys that may be around them. */
function findUnkept(text: string): readonly Unkept[] {
  const numbers: Unkept[] = [];
  const repeated: Unkept[] = [];
  const open: Open[] = [];
  const here = () => open.slice(0, DEEPEST_PLACE).map(({ place }) => place);
  for (let at = 0; at < text.length; ) {
    if (numbers.length + repeated.length > MOST_PLACES)
      return [{ path: [], problem: `more than ${MOST_PLACES} of its numbers and keys cannot be kept` }];
    const char = text[at] ?? '';
    const inner = open.at(-1);
    if (char === '"') {
      const end = endOfString(text, at);
      if (inner?.awaitsKey) {
        const key: string = JSON.parse(text.slice(at, end));
        inner.place = key;
        inner.awaitsKey = false;
        if (inner.keys?.has(key))
          repeated.push({ path: here(), problem: `the key ${placeText(here())} stands twice in its object` });
        inner.keys?.add(key);
      }
      at = end;
      continue;
    }
    if (char === '-' || (char >= '0' && char <= '9')) {
      numberToken.lastIndex = at;
      const [token = char] = numberToken.exec(text) ?? [];
      if (!isKept(token)) numbers.push({ path: here(), problem: sayNumber(token, placeText(here())), isNumber: true });
      at += token.length;
      continue;
    }
    if (char === '{') open.push({ keys: new Set(), place: '', awaitsKey: true });
    else if (char === '[') open.push({ keys: undefined, place: 0, awaitsKey: false });
    else if (char === '}' || char === ']') open.pop();
    else if (char === ',' && inner) {
      if (typeof inner.place === 'number') inner.place += 1;
      else inner.awaitsKey = true;
    }
    at += 1;
  }
  return [...numbers, ...repeated];
}

/** Behind the closing quote of the string that begins here. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let before = quote - 1;
    while (text[before] === '\\') before -= 1;
    if ((quote - before) % 2 === 1) return quote + 1;
  }
}

function isKept(token: string): boolean {
  const text = String(Number(token));
  return text === token || decimalOf(text) === decimalOf(token);
}

function sayNumber(token: string, place: string): string {
  const becomes = Number(token);
  const said = `the number ${shortened(token)}${place && ` at ${place}`}`;
  return Number.isFinite(becomes)
    ? `${said} would become ${becomes}: send it as text`
    : `${said} is too large for a number: send it as text`;
}

/** The value of a decimal number as text, the same for all its spellings: its digits, and the power of ten of the last one. */
function decimalOf(token: string): string {
  const [mantissa = '', exponent = '0'] = (token.startsWith('-') ? token.slice(1) : token).split(/e/i);
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = whole + fraction;
  let first = 0;
  while (digits[first] === '0') first += 1;
  let end = digits.length;
  while (end > first && digits[end - 1] === '0') end -= 1;
  return first === end
    ? '0'
    : `${digits.slice(first, end)}e${Number(exponent) - fraction.length + digits.length - end}`;
}

/** Such as `variables.events[0].metadata.ids[1]`. */
function placeText(path: readonly (string | number)[]): string {
  return shortened(
    path
      .map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`))
      .join('')
      .toWellFormed(),
  );
}

function shortened(text: string): string {
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}

type Container = { [key: string | number]: unknown };

function putSymbol(root: { value: unknown }, path: readonly (string | number)[], problem: string): void {
  let container = root as Container;
  let last: string | number = 'value';
  for (const step of path) {
    const next = container[last];
    // What was said of a key first is gone when it stands twice.
    if (typeof next !== 'object' || next === null || !Object.hasOwn(next, step)) return;
    container = next as Container; // an object or a list
    last = step;
  }
  container[last] = Symbol(problem);
}

/** False also where only a text looks like such a number. */
function holdsNumbersAsTheyAre(text: string): boolean {
  if (!doubtful.test(text)) return true;
  for (const [, token = ''] of text.matchAll(longNumbers)) if (!isKept(token)) return false;
  return true;
}

/** How often a quote and a colon follow each other: once for each key, and in some texts. */
function countKeysInText(text: string): number {
  let count = 0;
  for (let colon = text.indexOf(':'); colon >= 0; colon = text.indexOf(':', colon + 1)) {
    let before = colon - 1;
    while (isSpace(text.charCodeAt(before))) before -= 1;
    if (text[before] === '"') count += 1;
  }
  return count;
}

const isSpace = (code: number) => code === 32 || code === 10 || code === 13 || code === 9;

/** Without recursion, so that no depth of nesting can exhaust the stack. */
function countKeys(root: unknown): number {
  if (typeof root !== 'object' || root === null) return 0;
  let count = 0;
  const open: object[] = [root];
  for (let container = open.pop(); container; container = open.pop()) {
    const values: readonly unknown[] = Array.isArray(container) ? container : Object.values(container);
    if (values !== container) count += values.length;
    for (const value of values) if (typeof value === 'object' && value !== null) open.push(value);
  }
  return count;
}
