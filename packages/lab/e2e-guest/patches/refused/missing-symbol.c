extern void there_is_no_such_symbol(void);

static int patched(void *m, void *v)
{
	there_is_no_such_symbol();
	return 0;
}
EXUVIA_REPLACE(version_proc_show, patched);
