import type { Contestant } from './rounds.ts';

/** Some requests of each workload are compared; all of a thousand would be no better. */
const COMPARED = 5;

/** That all contestants answer the same: who leaves something out is not faster. @throws where two differ */
export async function sameAnswers(contestants: readonly Contestant[]): Promise<void> {
  for (let place = 0; place < COMPARED; place += 1) {
    const answers = await Promise.all(contestants.map((contestant) => answerOf(contestant, place)));
    const [first] = answers;
    for (const { name, answer } of answers)
      if (answer !== first?.answer)
        throw new Error(`${name} and ${first?.name} answer\n${differing(answer, first?.answer ?? '')}`);
  }
}

async function answerOf({ name, url, warmUp }: Contestant, place: number): Promise<{ name: string; answer: string }> {
  const shot = warmUp[place % warmUp.length];
  if (!shot) throw new Error(`There is nothing to ask ${name}`);
  const { path, method, body } = shot;
  const { 'if-none-match': _, ...headers } = shot.headers; // the answers are compared, not whether they are known
  const response = await fetch(url + path, { method, headers, ...(body !== undefined && { body }) });
  const { extensions: _cost, ...rest } = await response.json(); // what an answer costs is told by Synclog alone
  const answer = JSON.stringify(rest);
  if (!response.ok || answer.startsWith('{"errors"')) throw new Error(`${name} answers ${response.status}: ${answer}`);
  return { name, answer };
}

/** Two texts from shortly before the place where they part. */
function differing(one: string, other: string): string {
  let place = 0;
  while (place < one.length && one[place] === other[place]) place += 1;
  const start = Math.max(0, place - 60);
  return [one, other].map((text) => text.slice(start, place + 60)).join('\n');
}
