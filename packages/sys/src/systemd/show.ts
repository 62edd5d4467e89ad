/** Reads `systemctl show`: NAME=value lines, one block a unit, blocks separated by empty lines. */
export function parseShow(output: string): ReadonlyMap<string, string>[] {
  return output
    .split('\n\n')
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const values = new Map<string, string>();
      for (const line of block.split('\n')) {
        const at = line.indexOf('=');
        if (at > 0) values.set(line.slice(0, at), line.slice(at + 1));
      }
      return values;
    });
}
