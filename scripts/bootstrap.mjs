// Runs one of the project's commands on a machine that has only git, node and npm: installs the Debian
// packages and npm packages that are missing, builds what changed, then hands over to the project's own
// pinned Node. Plain JavaScript, since the machine's node may be too old for anything else.
//
//     node scripts/bootstrap.mjs demo|test|bench|soak|fuzz|package|exuvia -- ARGUMENTS

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const NODE = join(ROOT, 'node_modules/.bin/node');
/** Where the project's programs run. */
const SURROUNDINGS = {
  cwd: ROOT,
  env: { ...process.env, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}` },
};

/** Debian packages and what for. */
const BUILD_PACKAGES = {
  gcc: 'compiles the native programs',
  'libc6-dev': 'their C library, for static linking',
  make: 'builds what changed of them',
  binutils: 'strips the programs in the package',
};
const LAB_PACKAGES = {
  mmdebstrap: "makes the lab host's root file system",
  'debian-archive-keyring': "checks Debian's signatures",
  e2fsprogs: 'makes and reads ext4 images',
  fdisk: 'partitions the disk image (sfdisk)',
  mtools: 'fills its EFI partition',
  'xz-utils': 'unpacks kernel modules',
  openssl: "makes the lab's certificates",
  'openssh-client': 'logs in to the lab host',
};
const TEST_PACKAGES = {
  chromium: 'shows HTML reports to the tests',
  iproute2: 'makes the network namespaces of tests (ip)',
  procps: 'finds processes of tests (pgrep)',
};

/** What `npm test` runs (vitest.config.ts); with `--all` it runs every project. */
const TEST_PROJECTS = ['unit', 'guest', 'lab'];

const COMMANDS = {
  package: { packages: BUILD_PACKAGES, run: (args) => handOver(['packaging/build.ts', ...args]) },
  exuvia: {
    packages: { ...BUILD_PACKAGES, ...LAB_PACKAGES },
    run: (args) => {
      const isHelp = args.includes('--help') || args.includes('-h');
      if (args[0] === 'lab' && ['up', 'image'].includes(args[1]) && !isHelp) buildPackage();
      return handOver(['packages/cli/src/main.ts', ...args]);
    },
  },
  demo: {
    packages: { ...BUILD_PACKAGES, ...LAB_PACKAGES },
    run: (args) => {
      buildPackage();
      return handOver(['packages/lab/src/demo/main.ts', ...args]);
    },
  },
  bench: {
    packages: { ...BUILD_PACKAGES, ...LAB_PACKAGES },
    run: (args) => {
      buildPackage();
      return handOver(['packages/lab/src/bench/main.ts', ...args]);
    },
  },
  soak: {
    packages: { ...BUILD_PACKAGES, ...LAB_PACKAGES },
    run: (args) => {
      buildPackage();
      return handOver(['packages/lab/src/soak/main.ts', ...args]);
    },
  },
  fuzz: { packages: BUILD_PACKAGES, run: (args) => handOver(['packages/guest/src/fuzz/main.ts', ...args]) },
  test: {
    packages: { ...BUILD_PACKAGES, ...LAB_PACKAGES, ...TEST_PACKAGES },
    run: (args) => {
      must('types, lint, format, unused code', 'npm', ['run', '--silent', 'check']);
      buildPackage();
      // Tests that need a QEMU find it in the image's cache.
      step('lab image', () => {
        const image = node(['packages/cli/src/main.ts', 'lab', 'image', '--json']);
        if (image !== 0) process.exit(image);
      });
      const chosen = args.some((arg) => arg.startsWith('--project'));
      const projects =
        chosen || args.includes('--all') ? [] : TEST_PROJECTS.map((name) => `--project=${name}`);
      const rest = args.filter((arg) => arg !== '--all');
      return handOver(['node_modules/vitest/vitest.mjs', 'run', ...projects, ...rest]);
    },
  },
};

/** What `npm run NAME -- --help` prints; it names every option that there is. */
const USAGE = {
  demo: `Usage: npm run demo -- [--kernel RELEASE] [--busy-memory SIZE] [--keep] [--json]

A lab host with three VMs gets another kernel while they live on. What is missing is installed and built.

  --kernel RELEASE     the kernel that the host gets, or the beginning of its release (default: the newer of
                       the two that it has, 7.2 while the mirror offers it)
  --busy-memory SIZE   memory of the VM busy (default 512M)
  --keep               leave the lab host running; npm run exuvia -- lab down ends it
  --json               print the result as JSON

Examples:
  npm run demo
  npm run demo -- --busy-memory 1G --keep
`,
  bench: `Usage: npm run bench -- kexec|abort|vmm|many|guest [--runs N] [--guests N] [--pairs N] [--toggles N] [--json]

Measures what SPECIFICATION.md promises, and says which limits are not kept. What is missing is installed and built.

  kexec           updates by kexec against a bare kexec and against an ordinary reboot, in a lab host
  abort           how soon every VM runs on after a failure before the jump
  vmm             updates of QEMU against its own live migration
  many            many VMs against one, by kexec and by vmm in parallel
  guest           patching the kernel of a running guest: pauses, overhead, toggles under load

  --runs N        of kexec and abort (default 5), vmm (10), many (3)
  --guests N      of many: how many VMs (default 8)
  --pairs N       of guest: pairs of an apply and a rollback that are measured (default 200)
  --toggles N     of guest: applies and rollbacks in all (default 10000)
  --json          print the result as JSON

Exits with 1 when something failed, 2 when a limit is not kept, 64 when the options are wrong.

Examples:
  npm run bench -- kexec
  npm run bench -- many --guests 4 --runs 1
`,
  soak: `Usage: npm run soak -- [--updates N] [--json]

Chains updates of mixed kinds over one lab host under load, and says what was lost and what grows. What is missing is
installed and built.

  --updates N     how many (default 50; ten have every kind)
  --json          print the result as JSON

Exits with 2 when a VM was lost, its work was damaged, or something grows; else 1 when an update failed or was refused; 64
when the options are wrong.

Examples:
  npm run soak
  npm run soak -- --updates 10 --json
`,
  fuzz: `Usage: npm run fuzz -- [--seconds N] [--seed N] [--target NAME] [--keep]

Feeds everything that reads a guest's memory or a patch file with hostile data, until the time is up or a defect is
found. What is missing is installed and built.

  --seconds N     how long (default 60)
  --seed N        which cases: the same number makes the same ones (default: another one each time)
  --target NAME   only one of tables, objects, racing, patch, texts
  --keep          add the cases that did something new to the corpus

Examples:
  npm run fuzz
  npm run fuzz -- --target patch --seconds 600 --keep
`,
};

/** Exit status for wrong usage; 2 says what a benchmark or a soak has found. */
const USAGE_STATUS = { demo: 2, bench: 64, soak: 64, fuzz: 2 };

const startedAt = Date.now();
process.exitCode = await main(process.argv.slice(2));

function main([name, ...rest]) {
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : undefined;
  if (command === undefined) {
    say(`Usage: node scripts/bootstrap.mjs ${Object.keys(COMMANDS).join('|')} -- ARGUMENTS`);
    return 2;
  }
  const args = rest[0] === '--' ? rest.slice(1) : rest;
  const answered = USAGE[name] === undefined ? undefined : answer(name, USAGE[name], args);
  if (answered !== undefined) return answered;
  if (!installDebianPackages(command.packages)) return 1;
  installNpmPackages();
  if (existsSync(join(ROOT, 'native/Makefile'))) {
    must('native programs', 'make', ['-C', 'native', '--no-print-directory', '--quiet']);
  }
  return command.run(args);
}

/** What can be said before anything is installed or built: the help, or that an option is none. The exit status. */
function answer(name, usage, args) {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(usage);
    return 0;
  }
  const options = usage.match(/--[a-z][a-z-]*/g);
  const unknown = args.find((arg) => arg.startsWith('-') && !options.includes(arg.split('=')[0]));
  if (unknown === undefined) return undefined;
  process.stderr.write(`Unknown option '${unknown}'. See npm run ${name} -- --help.\n`);
  return USAGE_STATUS[name];
}

/** Installs what dpkg does not know as installed. False when that takes root and this is not root. */
function installDebianPackages(packages) {
  const missing = Object.keys(packages).filter((name) => !isInstalled(name));
  if (missing.length === 0) return true;
  say('Debian packages that are missing:');
  for (const name of missing) say(`  ${name.padEnd(24)} ${packages[name]}`);
  const line = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  if (process.getuid() !== 0) {
    say(`Install them, then run this command again:\n  sudo ${line.join(' ')}`);
    return false;
  }
  if (!hasPackageLists()) must('apt-get update', 'apt-get', ['update', '-q']);
  const install = () => quietly(line[0], line.slice(1), { DEBIAN_FRONTEND: 'noninteractive' });
  const done = step('apt-get install', () => {
    if (install() === 0) return true;
    // Lists that are some days old name versions that the mirror no longer has.
    must('apt-get update', 'apt-get', ['update', '-q']);
    return install() === 0;
  });
  if (!done) say(`This failed: ${line.join(' ')}`);
  return done;
}

function isInstalled(name) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a field of dpkg's own
  const query = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], { encoding: 'utf8' });
  return query.status === 0 && query.stdout === 'installed';
}

function hasPackageLists() {
  const folder = '/var/lib/apt/lists';
  return existsSync(folder) && readdirSync(folder).some((name) => name.includes('_Packages'));
}

/**
 * Installs what package-lock.json says, unless node_modules holds it. Not `npm ci`: that refuses a lock file
 * without the optional packages for other systems, which not every mirror has.
 */
function installNpmPackages() {
  if (existsSync(NODE) && isInstalledAsLocked()) return;
  must('npm packages', 'npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** Compares with npm's own record of what it installed; packages for other systems may be absent from it. */
function isInstalledAsLocked() {
  const read = (path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8')).packages;
  if (!existsSync(join(ROOT, 'node_modules/.package-lock.json'))) return false;
  const locked = read('package-lock.json');
  const installed = read('node_modules/.package-lock.json');
  const wanted = Object.keys(locked).filter((path) => path.startsWith('node_modules/'));
  return wanted.every((path) =>
    installed[path] === undefined
      ? locked[path].optional === true || locked[path].peer === true
      : installed[path].version === locked[path].version &&
        installed[path].resolved === locked[path].resolved,
  );
}

function buildPackage() {
  step('package', () => {
    const status = node(['packaging/build.ts']);
    if (status !== 0) process.exit(status);
  });
}

/** Runs a program of the project with the project's Node, to its end; what it prints is no result of ours. */
function node(args) {
  const stdio = ['inherit', 'ignore', 'inherit'];
  return spawnSync(NODE, nodeArguments(args), { ...SURROUNDINGS, stdio }).status ?? 1;
}

/**
 * The same for the program that the command is about; its output is ours. It may have a lab host to end when it is
 * interrupted. A terminal interrupts it by itself.
 */
function handOver(args) {
  const child = spawn(NODE, nodeArguments(args), { ...SURROUNDINGS, stdio: 'inherit' });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {});
  return new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', (status, signal) => resolve(status ?? 128 + constants.signals[signal]));
  });
}

function nodeArguments(args) {
  return ['--disable-warning=ExperimentalWarning', ...args];
}

/** Runs a program whose output is no result of ours: it goes to stderr. Ends this program when it fails. */
function must(title, program, args) {
  step(title, () => {
    const status = quietly(program, args);
    if (status === 0) return;
    say(`This failed: ${program} ${args.join(' ')}`);
    process.exit(status);
  });
}

function quietly(program, args, env = {}) {
  const child = spawnSync(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 2, 2],
  });
  if (child.error !== undefined) say(`${program}: ${child.error.message}`);
  return child.status ?? 1;
}

/** Says what is done and how long it took, unless it took no time at all. */
function step(title, work) {
  const began = Date.now();
  const result = work();
  const seconds = (Date.now() - began) / 1000;
  if (seconds >= 0.5) say(`${title}: ${seconds.toFixed(1)} s`);
  return result;
}

function say(text) {
  process.stderr.write(`[${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s] ${text}\n`);
}
