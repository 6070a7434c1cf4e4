"""One task: measure one module, and leave the numbers in measure.json.

Complexity is McCabe's, one more than the number of branches; the definition is that of
"A Complexity Measure", IEEE Transactions on Software Engineering, 1976.
"""

# BATCHIO name standard-library

import ast
import json
import sys
import tokenize
from pathlib import Path

BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.comprehension,
    ast.match_case,
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def complexity(function: ast.AST) -> int:
    """Ways through the function, in McCabe's sense."""
    ways = 1
    for node in ast.walk(function):
        ways += isinstance(node, BRANCHES)
        ways += len(node.values) - 1 if isinstance(node, ast.BoolOp) else 0
    return ways


def measure(path: Path) -> dict[str, object]:
    """What the module is made of."""
    with tokenize.open(path) as file:  # reads the encoding that the file declares
        text = file.read()
    tree = ast.parse(text, str(path))
    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    public = [node for node in functions if not node.name.startswith("_")]
    return {
        "module": str(path),
        "lines": text.count("\n"),
        "classes": sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree)),
        "functions": len(functions),
        "public": len(public),
        "documented": sum(ast.get_docstring(node) is not None for node in public),
        "most complex": max(((complexity(f), f.name) for f in functions), default=(0, "")),
    }


result = measure(Path(sys.argv[1]))
Path("measure.json").write_text(json.dumps(result))
print(f"{result['module']}: {result['functions']} functions")
