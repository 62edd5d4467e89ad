// The kernel's lib/ is compiled without fentry: whole instructions of kobj_attr_show have to move.
#include <linux/kobject.h>
#include <linux/sysfs.h>

static ssize_t patched_kobj_attr_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s patched\n", attr->name);
}
EXUVIA_REPLACE(kobj_attr_show, patched_kobj_attr_show);
