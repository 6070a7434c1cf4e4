"""The plan, the machine and every rule: pure, no I/O, no clock, no randomness."""
