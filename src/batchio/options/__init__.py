"""Options: their table, the sources of their values, and the job's spec they make. Pure."""
