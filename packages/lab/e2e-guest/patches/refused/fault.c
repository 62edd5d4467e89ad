// Reading an MSR that may not exist needs an entry in the exception table.
#include <asm/msr.h>

static int patched(void *m, void *v)
{
	unsigned int low, high;

	return rdmsr_safe(0x10, &low, &high);
}
EXUVIA_REPLACE(version_proc_show, patched);
