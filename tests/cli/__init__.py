"""The command line, against a real server wherever it speaks to one."""
