import type { SchemaEntry } from '../../src/qmp/introspection.ts';

type ObjectEntry = Extract<SchemaEntry, { 'meta-type': 'object' }>;

const BUILTINS: Readonly<Record<string, string>> = {
  str: 'string',
  int: 'number',
  number: 'number',
  bool: 'boolean',
  null: 'null',
  any: 'unknown',
};

/**
 * The TypeScript text for `commands` and all events. Object types are named after the command or event
 * that reaches them first, since introspection hides QEMU's own names.
 */
export function generateTypes(schema: readonly SchemaEntry[], commands: readonly string[], version: string) {
  const writer = new Writer(schema);
  const commandLines = commands.map((name) => writer.command(name));
  const eventLines = schema
    .filter((entry) => entry['meta-type'] === 'event')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((entry) => `  ${entry.name}: ${writer.type(entry['arg-type'], pascal(entry.name, 'Event'))};`);
  return [
    `// Generated from query-qmp-schema of QEMU ${version} by scripts/generate-types.ts; not edited by hand.`,
    '',
    ...writer.declarations,
    '/** Arguments and return value of every command that Exuvia sends. */',
    'export interface QmpCommands {',
    ...commandLines,
    '}',
    '',
    '/** The data of every event. */',
    'export interface QmpEvents {',
    ...eventLines,
    '}',
    '',
  ].join('\n');
}

class Writer {
  readonly declarations: string[] = [];
  readonly #byName: ReadonlyMap<string, SchemaEntry>;
  readonly #names = new Map<string, string>();

  constructor(schema: readonly SchemaEntry[]) {
    this.#byName = new Map(schema.map((entry) => [entry.name, entry]));
  }

  command(name: string): string {
    const entry = this.#byName.get(name);
    if (entry?.['meta-type'] !== 'command') throw new Error(`This QEMU has no command ${name}.`);
    const input = this.type(entry['arg-type'], pascal(name, 'Arguments'));
    const output = this.type(entry['ret-type'], pascal(name, 'Return'));
    return `  ${quote(name)}: { arguments: ${input}; return: ${output} };`;
  }

  type(id: string, name: string): string {
    const entry = this.#byName.get(id);
    switch (entry?.['meta-type']) {
      case 'builtin':
        return BUILTINS[entry.name] ?? 'unknown';
      case 'array':
        return `ReadonlyArray<${this.type(entry['element-type'], name)}>`;
      case 'enum':
        return this.#named(id, name, () => union(entry.members.map((member) => `'${member.name}'`)));
      case 'alternate':
        return union(entry.members.map((member, index) => this.type(member.type, `${name}${index}`)));
      case 'object':
        return this.#object(id, name, entry);
      default:
        throw new Error(`The schema refers to ${id}, which is no type.`);
    }
  }

  #object(id: string, name: string, entry: ObjectEntry): string {
    if (entry.members.length === 0 && entry.variants === undefined) return 'Record<string, never>';
    return this.#named(id, name, () => {
      const { tag, variants } = entry;
      const members = entry.members.filter((member) => member.name !== tag);
      const base = `{ ${members.map((member) => this.#member(member, name)).join(' ')} }`;
      if (tag === undefined || variants === undefined) return base;
      const cases = variants.map((variant) => {
        const inner = this.type(variant.type, name + pascal(variant.case, ''));
        const tagged = `{ ${quote(tag)}: '${variant.case}' }`;
        return inner === 'Record<string, never>' ? tagged : `(${tagged} & ${inner})`;
      });
      return members.length === 0 ? union(cases) : `${base} & (${union(cases)})`;
    });
  }

  #member(member: { name: string; type: string; default?: null | undefined }, owner: string): string {
    const optional = member.default === null ? '?' : '';
    return `readonly ${quote(member.name)}${optional}: ${this.type(member.type, owner + pascal(member.name, ''))};`;
  }

  /** Declares the type once; the name is taken before the body is made, so that types may contain themselves. */
  #named(id: string, name: string, body: () => string): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    this.#names.set(id, name);
    this.declarations.push(`type ${name} = ${body()};`, '');
    return name;
  }
}

function union(parts: readonly string[]): string {
  return parts.length === 0 ? 'never' : parts.join(' | ');
}

function quote(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `'${name}'`;
}

function pascal(name: string, suffix: string): string {
  const words = name.split(/[-_]/).map((word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase());
  return words.join('') + suffix;
}
