// A read of user memory that is done in place needs an entry in the exception table.
#include <linux/uaccess.h>

static int patched(void *m, void *v)
{
	int value;

	unsafe_get_user(value, (int __user *)v, failed);
	return value;
failed:
	return -EFAULT;
}
EXUVIA_REPLACE(version_proc_show, patched);
