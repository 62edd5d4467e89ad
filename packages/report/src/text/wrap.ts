/** Breaks a text between words into lines of at most `width` characters; a longer word stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}

/** A wrapped text of which the first line begins with `head` and the others are indented as far. */
export function hang(head: string, text: string, width: number): string[] {
  const indent = ' '.repeat(head.length);
  const lines = wrap(text, Math.max(20, width - head.length));
  if (lines.length === 0) return [head.trimEnd()];
  return lines.map((line, index) => (index === 0 ? head : indent) + line);
}
