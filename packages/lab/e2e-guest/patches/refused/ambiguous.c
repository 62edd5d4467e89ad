#include <linux/device.h>

static ssize_t patched(struct device *dev, struct device_attribute *attr, char *buf)
{
	return 0;
}
EXUVIA_REPLACE(type_show, patched);
