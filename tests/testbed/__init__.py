"""Real SSH hosts for the tests: Linux namespaces on this computer; see README.md."""
