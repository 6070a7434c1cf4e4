"""Real jobs, with everything thrown at them: `make chaos`; see README.md."""
