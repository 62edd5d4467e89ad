// /proc/cmdline shows the real command line, from a variable that is not exported, and that it is patched.
#include <linux/seq_file.h>

extern char *saved_command_line;

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s patched\n", saved_command_line);
	return 0;
}
EXUVIA_REPLACE(cmdline_proc_show, patched_cmdline_proc_show);
