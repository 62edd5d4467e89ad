import { expect, test } from 'vitest';
import { serverSentData } from './events.ts';

async function read(...chunks: string[]): Promise<string[]> {
  const source = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk, 'latin1');
  })();
  const data: string[] = [];
  for await (const one of serverSentData(source)) data.push(one);
  return data;
}

test('events are found however the stream is cut', async () => {
  expect(await read('event: update\ndata: {"a"', ':1}\n', '\ndata: 2\n\nda', 'ta: 3\n\n')).toEqual([
    '{"a":1}',
    '2',
    '3',
  ]);
});

test('comments and an event that never ends carry no data', async () => {
  expect(await read(': \n\n', 'data: 1\n\n', 'data: 2')).toEqual(['1']);
});

test('several lines of data are one text', async () => {
  expect(await read('data: a\ndata:b\n\n')).toEqual(['a\nb']);
});

test('a character that is cut in two is put together', async () => {
  const bytes = Buffer.from('data: é\n\n', 'utf8').toString('latin1');
  expect(await read(bytes.slice(0, 7), bytes.slice(7))).toEqual(['é']);
});
