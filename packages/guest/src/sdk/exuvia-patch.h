/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * exuvia-patch.h: write replacements for functions of a running guest's kernel.
 *
 * `exuvia guest patch build fix.c --kernel RELEASE -o fix.ko` includes this file ahead of everything else.
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

/* OLD is the POSITION-th symbol of its name (counted from 1, in the order of /proc/kallsyms). */
#define EXUVIA_REPLACE_AT(old, position, new) EXUVIA_REPLACE_IN("vmlinux", old, position, new)

/* OLD lies in the module OBJECT (a string; "vmlinux": the kernel proper). POSITION 0: its only symbol of this name. */
#define EXUVIA_REPLACE_IN(object, old, position, new) \
	static const struct exuvia_function __used __section(".exuvia.functions") \
	__UNIQUE_ID(exuvia_function) = { object, #old, position, (void *)&(new) }

/* ALIAS, declared `extern` in the patch, is the symbol NAME of OBJECT at POSITION. */
#define EXUVIA_SYMBOL(alias, object, name, position) \
	static const struct exuvia_symbol __used __section(".exuvia.symbols") \
	__UNIQUE_ID(exuvia_symbol) = { object, #name, position, #alias }

MODULE_LICENSE("GPL");

#endif
