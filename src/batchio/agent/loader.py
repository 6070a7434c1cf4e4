"""Load the agent from standard input and run it: no file of it is ever on a node.

This text is the first part of what a node's Python gets, so it is written in what every
Python 3 can read. The second part is a line that says what follows, the name of the bytecode
or `text`, and the agent, compressed. Words of the command line: two that are not for us, the
folder for all users, a command of the agent, a home, and further words.

It answers with a marked line, for a login shell may print what it likes before that.
"""

import marshal
import os
import sys
import zlib

base, verb, name = sys.argv[3:6]
form, program = sys.stdin.buffer.readline().strip(), sys.stdin.buffer.read()
os.close(5)  # the shell that started us waits for that
# What `runtime.program.bytecode` says of its Python; importlib.util would cost two milliseconds.
known = sys.hexversion >> (16 if sys.version_info[3] == "final" else 0)
if sys.version_info < (3, 8):
    sys.stdout.write("\n@batchio old %d.%d.%d" % sys.version_info[:3])
elif form not in (b"text", ("%s-%x" % (sys.implementation.cache_tag, known)).encode()):
    sys.stdout.write("\n@batchio other")
else:
    program = zlib.decompress(program)
    code = marshal.loads(program) if form != b"text" else compile(program, "agent.py", "exec")
    sys.stdout.write("\n@batchio agent ")
    sys.stdout.flush()
    sys.argv = ["agent", verb, "%s/batchio-%d/%s" % (base, os.getuid(), name)] + sys.argv[6:]
    exec(code, {"__name__": "__main__"})
