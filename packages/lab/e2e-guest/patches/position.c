// One of many static functions of the same name; the build adds `#define POSITION`.
#include <linux/device.h>
#include <linux/sysfs.h>

static ssize_t patched_type_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "patched type of %s\n", dev_name(dev));
}
EXUVIA_REPLACE_AT(type_show, POSITION, patched_type_show);
