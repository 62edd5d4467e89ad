// /proc/version says that it is patched.
#include <linux/seq_file.h>

static int patched_version_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "Linux version patched\n");
	return 0;
}
EXUVIA_REPLACE(version_proc_show, patched_version_proc_show);
