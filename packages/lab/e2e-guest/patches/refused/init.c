// An initialiser that nobody would call.
#include <linux/init.h>

static int patched(void *m, void *v)
{
	return 0;
}
EXUVIA_REPLACE(version_proc_show, patched);

static int __init start(void)
{
	return 0;
}
module_init(start);
