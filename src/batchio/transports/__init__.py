"""Ways to reach a node, one module a transport."""
