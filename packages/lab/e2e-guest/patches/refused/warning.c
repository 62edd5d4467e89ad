// WARN needs an entry in the bug table.
#include <linux/bug.h>

static int patched(void *m, void *v)
{
	WARN_ON(m == v);
	return 0;
}
EXUVIA_REPLACE(version_proc_show, patched);
