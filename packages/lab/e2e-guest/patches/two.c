// Two functions that share data of the patch's own: each call of either is counted.
#include <linux/atomic.h>
#include <linux/seq_file.h>

static atomic_t calls = ATOMIC_INIT(100);
static const char *const names[] = { "uptime", "loadavg" };

static noinline void say(struct seq_file *m, int which)
{
	seq_printf(m, "%s call %d\n", names[which], atomic_inc_return(&calls));
}

static int patched_uptime(struct seq_file *m, void *v)
{
	say(m, 0);
	return 0;
}

static int patched_loadavg(struct seq_file *m, void *v)
{
	say(m, 1);
	return 0;
}
EXUVIA_REPLACE(uptime_proc_show, patched_uptime);
EXUVIA_REPLACE(loadavg_proc_show, patched_loadavg);
