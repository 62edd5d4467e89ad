// The guest would not switch this copy of the branch.
#include <linux/jump_label.h>

DECLARE_STATIC_KEY_FALSE(memcg_kmem_online_key);

static int patched(void *m, void *v)
{
	return static_branch_unlikely(&memcg_kmem_online_key);
}
EXUVIA_REPLACE(version_proc_show, patched);
