"""What was asked for: the table of options, its sources, and the spec they make. Pure."""
