import { expect, test } from 'vitest';
import { parseEnvFile } from '../../src/cli/env-file.ts';

const inUtf16 = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le');

test.each([
  ['nothing', '', {}],
  ['comments and empty lines', '# A=1\n\n  \t\n  # B="\n', {}],
  [
    'a value with or without space around it',
    'A=1\n B = two words  \nexport C=3\nLOG-LEVEL=x',
    {
      A: '1',
      B: 'two words',
      C: '3',
      'LOG-LEVEL': 'x',
    },
  ],
  ['no value', 'A=\nB= \nC=""\nD=# nothing', { A: '', B: '', C: '', D: '' }],
  ['lines that end as on Windows or on old Macs', 'A=1\r\nB="2"\r\n\rC=3\rD=4', { A: '1', B: '2', C: '3', D: '4' }],
  ['a quotation over several lines', 'A="x\ny=#"\nB=\'\n\'\nC=`"`', { A: 'x\ny=#', B: '\n', C: '"' }],
  ['a comment behind a value', 'A=1 # "\nB="2" # "\nC=\'#3\'#\n', { A: '1', B: '2', C: '#3' }],
  ['a quotation mark within a value', 'A=it\'s "x', { A: 'it\'s "x' }],
  ['the last of two values', 'A=1\nA=2', { A: '2' }],
])('a file .env with %s is read as Node reads it', (_, text, values) => {
  for (const bytes of [Buffer.from(text), Buffer.from(`\uFEFF${text}`), inUtf16(text), inUtf16(text).swap16()])
    expect(parseEnvFile(bytes)).toEqual({ values });
});

test.each([
  ['a name alone', 'PORT\nHOST=h', 'line 1 is'],
  ['a name alone at the end', 'A=1\n\nhush', 'line 3 is'],
  ['export and a name alone', 'export A\nB=1', 'line 1 is'],
  ['a colon for the equals sign', 'A=1\r\nDATABASE_URL: file:hush=1\r\nB=1', 'line 2 is'],
  ['a value alone', '=hush', 'line 1 is'],
  ['a name in quotes', '"A"=hush', 'line 1 is'],
  ['a name of two words', 'A hush=1', 'line 1 is'],
  ['an invisible character before a name', '\u200BA=1', 'line 1 is'],
  ['a # within a value', 'REDIS_URL=redis://:a#hush@h', 'line 1 is'],
  ['a quotation that does not end', 'B=1\nA="hush\nC=1', 'line 2 is'],
  ['a quotation that ends within the value', "A='hu'sh'\nB=1", 'line 1 is'],
  ['a quotation that ends where another begins', 'A=1\nB="hush\nC="x"', 'line 2 is'],
  ['several such lines', 'A="\n\n"\nhush\nB=1\n: hush', 'lines 4, 6 are'],
])('a file .env with %s is refused with the number of the line, which is not shown', (_, text, words) => {
  const problem = `${words} no NAME=value; one with a # or a quotation mark in it has to be in quotes`;
  expect(parseEnvFile(Buffer.from(text))).toEqual({ problem });
});

test.each([
  ['Latin 1', Buffer.from('A=\xe9', 'latin1')],
  ['UTF-16 without a byte order mark', Buffer.from('A=1', 'utf16le')],
])('a file .env in %s is refused', (_, bytes) => {
  expect(parseEnvFile(bytes)).toEqual({ problem: 'it is no text in UTF-8' });
});
