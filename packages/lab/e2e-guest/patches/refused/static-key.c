// The kernel's own way to branch on a static key, which exuvia-patch.h has in place of the macros: the guest would
// not switch this copy of it.
#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(memcg_kmem_online_key);

static int patched(void *m, void *v)
{
	asm goto("1: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
		 ".pushsection __jump_table, \"aw\"\n"
		 ".balign 8\n"
		 ".long 1b - ., %l[on] - .\n"
		 ".quad %c0 - .\n"
		 ".popsection"
		 : : "i"(&memcg_kmem_online_key) : : on);
	return 0;
on:
	return 1;
}
EXUVIA_REPLACE(version_proc_show, patched);
