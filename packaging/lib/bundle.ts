import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import { ROOT } from './paths.ts';

/** The two programs of the package, and what each is called in /usr/lib/exuvia. */
const PROGRAMS = [
  { name: 'agent', entry: 'packages/agent/src/main.ts', external: [] },
  // The lab builds virtual hosts; it is not part of a host. The CLI says so when it cannot import it.
  { name: 'exuvia', entry: 'packages/cli/src/main.ts', external: ['@exuvia/lab'] },
] as const;

// CommonJS libraries inside an ES module call these; esbuild leaves them to the platform.
const COMMONJS = `import { createRequire as exuviaRequire } from 'node:module';
const require = exuviaRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname;`;

/**
 * Bundles agent and CLI into `directory` (agent.js, exuvia.js, chunks/). What is imported lazily becomes a
 * chunk of its own, so that a start loads no more than it needs.
 *
 * @returns every source file that went into the bundles, relative to the workspace.
 * @throws esbuild's own error when a bundle fails.
 */
export async function bundle(directory: string): Promise<string[]> {
  const inputs = new Set<string>();
  for (const program of PROGRAMS) {
    const metafile = await bundleProgram(program, directory);
    for (const input of Object.keys(metafile.inputs)) inputs.add(input);
  }
  return [...inputs].sort();
}

async function bundleProgram(program: (typeof PROGRAMS)[number], directory: string): Promise<Metafile> {
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: { [program.name]: program.entry },
    outdir: directory,
    chunkNames: `chunks/${program.name}-[hash]`,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external: [...program.external],
    plugins: [WEBASSEMBLY_INLINE],
    banner: { js: COMMONJS },
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
  });
  return result.metafile;
}

/** iced-x86 1.21 reads its WebAssembly from a file beside its source, where a bundle has none. */
const WEBASSEMBLY_INLINE: Plugin = {
  name: 'webassembly-inline',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]iced-x86[\\/]iced_x86\.js$/ }, async ({ path: file }) => {
      const source = await readFile(file, 'utf8');
      const module = await readFile(path.join(path.dirname(file), 'iced_x86_bg.wasm'), 'base64');
      const contents = source.replace(
        "require('fs').readFileSync(path)",
        () => `Buffer.from('${module}', 'base64')`,
      );
      if (contents === source) throw new Error(`${file} does not read its WebAssembly as it did.`);
      return { contents, loader: 'js' };
    });
  },
};
