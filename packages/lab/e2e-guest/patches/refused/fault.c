// A fault in put_user needs an entry in the exception table.
#include <linux/uaccess.h>

static long patched(const struct pt_regs *regs)
{
	return put_user(1, (int __user *)regs->di);
}
EXUVIA_REPLACE(__x64_sys_pause, patched);
