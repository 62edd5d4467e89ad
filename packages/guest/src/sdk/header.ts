/** What the header is called beside a patch's source; `patch build` includes it ahead of everything else. */
export const HEADER_NAME = 'exuvia-patch.h';

/**
 * The SDK's header. It also takes out of the kernel's macros what would need the guest to know the patch:
 * static keys become loads of the key, WARN and BUG do without the bug table.
 */
export const HEADER = String.raw`/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * ${HEADER_NAME}: replacements for functions of a running guest's kernel.
 *
 *     exuvia guest patch build fix.c --kernel RELEASE -o fix.ko
 *
 * includes this file ahead of everything else. fix.c:
 *
 *     #include <linux/seq_file.h>
 *
 *     static int fixed_version_proc_show(struct seq_file *m, void *v)
 *     {
 *             seq_puts(m, "fixed\n");
 *             return 0;
 *     }
 *     EXUVIA_REPLACE(version_proc_show, fixed_version_proc_show);
 *
 * Whatever the kernel has may be called and used once it is declared, exported or not, static or not: names
 * are looked up in the guest's own symbol table. A name that the guest has more than once needs a position.
 */
#ifndef EXUVIA_PATCH_H
#define EXUVIA_PATCH_H

/*
 * A static key of the guest is read where it is asked for: nobody would rewrite the patch's code when the
 * guest switches it. (The kernel's own header is kept out by its guard.)
 */
#define _ASM_X86_JUMP_LABEL_H
#define HAVE_JUMP_LABEL_BATCH
#define exuvia_static_branch(key, branch) \
	((*(const volatile int *)&(key)->enabled.counter != 0) != !!(branch))
#define arch_static_branch(key, branch) exuvia_static_branch(key, branch)
#define arch_static_branch_jump(key, branch) exuvia_static_branch(key, branch)
struct jump_entry;
extern int arch_jump_entry_size(struct jump_entry *entry);

#include <linux/bug.h>

/* WARN and BUG without an entry in the bug table, which the guest would not find. */
#undef __WARN
#undef __WARN_FLAGS
#undef __WARN_printf
#undef WARN_ON_ONCE
#undef WARN_ONCE
#undef BUG
#define exuvia_warn() \
	__warn(__FILE__, __LINE__, __builtin_return_address(0), TAINT_WARN, NULL, NULL)
#define __WARN() exuvia_warn()
#define __WARN_FLAGS(...) exuvia_warn()
#define __WARN_printf(taint, ...) do { __warn_printk(__VA_ARGS__); exuvia_warn(); } while (0)
#define WARN_ON_ONCE(condition) DO_ONCE_LITE_IF(condition, WARN_ON, 1)
#define WARN_ONCE(condition, ...) DO_ONCE_LITE_IF(condition, WARN, 1, __VA_ARGS__)
#define BUG() do { asm volatile("ud2"); __builtin_unreachable(); } while (0)

#include <linux/module.h>

struct exuvia_function {
	const char *object;
	const char *name;
	unsigned long position;
	void *replacement;
};

struct exuvia_symbol {
	const char *object;
	const char *name;
	unsigned long position;
	const char *alias;
};

/* OLD, the only function of this name in the kernel proper, is replaced by NEW. */
#define EXUVIA_REPLACE(old, new) EXUVIA_REPLACE_IN("vmlinux", old, 0, new)

/* OLD is the POSITION-th symbol of its name, counted from 1 in the order of /proc/kallsyms. */
#define EXUVIA_REPLACE_AT(old, position, new) EXUVIA_REPLACE_IN("vmlinux", old, position, new)

/* OLD lies in OBJECT, a module's name as a string. POSITION 0: it is the only one of its name there. */
#define EXUVIA_REPLACE_IN(object, old, position, new) \
	static const struct exuvia_function __used __section(".exuvia.functions") \
	__UNIQUE_ID(exuvia_function) = { object, #old, position, (void *)&(new) }

/* ALIAS, declared extern in the patch, is the symbol NAME of OBJECT at POSITION. */
#define EXUVIA_SYMBOL(alias, object, name, position) \
	static const struct exuvia_symbol __used __section(".exuvia.symbols") \
	__UNIQUE_ID(exuvia_symbol) = { object, #name, position, #alias }

MODULE_DESCRIPTION("Replacements for functions of a running kernel");
MODULE_LICENSE("GPL");

#endif
`;
