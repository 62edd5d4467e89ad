// pause(2) no longer sleeps; whoever sleeps in the old one goes on sleeping there until it is woken.
#include <linux/errno.h>
#include <linux/linkage.h>

struct pt_regs;

static long patched_pause(const struct pt_regs *regs)
{
	return -ENOSYS;
}
EXUVIA_REPLACE(__x64_sys_pause, patched_pause);
