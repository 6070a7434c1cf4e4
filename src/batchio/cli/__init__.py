"""The command line: arguments in, data on stdout, words on stderr."""
