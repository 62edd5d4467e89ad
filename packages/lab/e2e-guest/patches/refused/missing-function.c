static void patched(void)
{
}
EXUVIA_REPLACE(there_is_no_such_function, patched);
