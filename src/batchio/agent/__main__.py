"""Print the agent as it travels, for people who read a traceback in a node's agent.log."""

import sys

from batchio import agent

sys.stdout.write(agent.source().decode())  # noqa: TID251
