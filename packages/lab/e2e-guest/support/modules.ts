import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KernelName } from '../../src/kernel-guests/index.ts';
import { cached, keyOf } from '../../src/support/cache.ts';
import type { Bed } from './bed.ts';

const BUILD_LIMIT_MS = 300_000;

/** The kernel's own samples/livepatch/livepatch-sample.c as an ordinary module, unmodified. */
export function livepatchSample(bed: Bed, kernel: KernelName): Promise<string> {
  return built(bed, kernel, 'livepatch-sample', ['samples/livepatch/livepatch-sample.c'], SAMPLE);
}

/**
 * A livepatch module of kpatch-build's programs, from fs/proc/version.c before and after a change. kpatch-build
 * itself would compile the whole kernel twice, and it refuses kernels with IBT, which all of Debian's are: so
 * its programs are called as it calls them, with both objects compiled without IBT.
 */
export function kpatchModule(bed: Bed): Promise<string> {
  return built(bed, '6.12', 'livepatch-version', ['fs/proc/version.c', 'fs/proc/internal.h'], KPATCH);
}

/** A livepatch after which /proc/version says "patched". */
export function versionLivepatch(bed: Bed, kernel: KernelName): Promise<string> {
  return built(bed, kernel, 'exuvia-version', [], VERSION);
}

/** Runs a script in the build root, in a folder with some source files; it leaves NAME.ko there. */
async function built(
  bed: Bed,
  kernel: KernelName,
  name: string,
  files: readonly string[],
  script: string,
): Promise<string> {
  const { release } = bed.kernels.kernels[kernel];
  const texts = await Promise.all(files.map((file) => readFile(join(bed.sources, file), 'utf8')));
  const key = keyOf(script, release, bed.root.key, texts);
  const folder = await cached(`guest-module-${kernel}-${name}`, key, async (into) => {
    const work = await mkdtemp(join(tmpdir(), 'exuvia-test-module-'));
    try {
      for (const file of files) await cp(join(bed.sources, file), join(work, file.replace(/.*\//, '')));
      await writeFile(join(work, 'build.sh'), script);
      const command = `sh -e build.sh /usr/src/linux-headers-${release} > log 2>&1 || { cat log; false; }`;
      await bed.root.run(command, work, { timeoutMs: BUILD_LIMIT_MS });
      await mkdir(into, { recursive: true });
      await copyFile(join(work, `${name}.ko`), join(into, `${name}.ko`));
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return join(folder, `${name}.ko`);
}

const SAMPLE = `echo 'obj-m := livepatch-sample.o' > Makefile
make -C "$1" M="$PWD" modules
`;

const VERSION = `cat > exuvia-version.c <<'END'
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int say_patched(struct seq_file *file, void *unused) {
  seq_puts(file, "patched\\n");
  return 0;
}

static struct klp_func functions[] = {{.old_name = "version_proc_show", .new_func = say_patched}, {}};
static struct klp_object objects[] = {{.funcs = functions}, {}};
static struct klp_patch livepatch = {.mod = THIS_MODULE, .objs = objects};

static int __init begin(void) { return klp_enable_patch(&livepatch); }
static void __exit end(void) {}

module_init(begin);
module_exit(end);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
END
echo 'obj-m := exuvia-version.o' > Makefile
make -C "$1" M="$PWD" modules
`;

/**
 * The sizes are those that kpatch-build reads from a vmlinux with debug information (x86-64, Linux 6.12); the
 * symbol table is what readelf says of a vmlinux, as far as these objects need it.
 */
const KPATCH = `mkdir orig patched patch
cp version.c internal.h orig
cp internal.h patched
sed 's/seq_printf(m, linux_proc_banner/seq_puts(m, "kpatch "); &/' version.c > patched/version.c
for which in orig patched; do
  echo 'obj-y := version.o' > $which/Makefile
  make -C "$1" M="$PWD/$which" KCFLAGS='-ffunction-sections -fdata-sections' CONFIG_X86_KERNEL_IBT= version.o
done
cat > symtab <<'END'

Symbol table '.symtab' contains 6 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     1: 0000000000000000     0 FILE    LOCAL  DEFAULT  ABS version.c
     2: ffffffff81000010    60 FUNC    LOCAL  DEFAULT    1 version_proc_show
     3: ffffffff81000100    60 FUNC    LOCAL  DEFAULT    1 proc_version_init
     4: 0000000000000000     0 FILE    LOCAL  DEFAULT  ABS
     5: ffffffff82000100    60 OBJECT  GLOBAL DEFAULT    2 linux_proc_banner
END
sed -i 's/ABS$/ABS /' symtab
export ALT_STRUCT_SIZE=14 BUG_STRUCT_SIZE=12 JUMP_STRUCT_SIZE=16 EX_STRUCT_SIZE=12 ORC_STRUCT_SIZE=6
export STATIC_CALL_STRUCT_SIZE=8 PRINTK_INDEX_STRUCT_SIZE=8
/usr/lib/kpatch/create-diff-object --klp-arch orig/version.o patched/version.o vmlinux symtab \\
  "$1/Module.symvers" livepatch_version different.o
cp /usr/share/kpatch/patch/* patch
ld -r -o patch/output.o different.o
touch patch/.output.o.cmd
make -C patch PWD="$PWD/patch" KPATCH_BUILD="$1" KPATCH_NAME=livepatch-version KCFLAGS=-I/usr/share/kpatch/patch
/usr/lib/kpatch/create-klp-module --no-klp-arch-sections patch/livepatch-version.ko livepatch-version.ko
`;
