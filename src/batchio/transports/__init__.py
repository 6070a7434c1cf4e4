"""Transports: how a node is reached, one module for each."""
