// A second patch of the same function.
#include <linux/seq_file.h>

static int patched_again(struct seq_file *m, void *v)
{
	seq_puts(m, "Linux version patched again\n");
	return 0;
}
EXUVIA_REPLACE(version_proc_show, patched_again);
