#include <linux/percpu.h>

static DEFINE_PER_CPU(int, counter);

static int patched(void *m, void *v)
{
	return this_cpu_inc_return(counter);
}
EXUVIA_REPLACE(version_proc_show, patched);
