"""The only floor where things happen."""
