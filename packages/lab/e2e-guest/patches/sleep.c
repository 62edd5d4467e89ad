// pause(2) as it is, but asleep in the patch's own code.
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

static long patched_pause(const struct pt_regs *regs)
{
	while (!signal_pending(current)) {
		__set_current_state(TASK_INTERRUPTIBLE);
		schedule();
	}
	return -ERESTARTNOHAND;
}
EXUVIA_REPLACE(__x64_sys_pause, patched_pause);
