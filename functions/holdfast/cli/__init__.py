"""The command line: a client of the HTTP interface, and what the operator of an installation needs beside it."""
