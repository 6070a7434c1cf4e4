"""Read what the tasks left behind and say what they found. Argument: the download folder."""

import json
import sys
from pathlib import Path

modules = [json.loads(path.read_text()) for path in Path(sys.argv[1]).rglob("measure.json")]


def total(key: str) -> int:
    """The sum of one number over all modules."""
    return sum(module[key] for module in modules)


print(f"{len(modules):,} modules, {total('lines'):,} lines")
print(f"{total('classes'):,} classes, {total('functions'):,} functions")
print(f"{total('documented') / total('public'):.0%} of the public functions have a docstring")
print("\nThe most complex functions:")
for module in sorted(modules, key=lambda module: module["most complex"], reverse=True)[:10]:
    ways, name = module["most complex"]
    place = "/".join(Path(module["module"]).parts[-2:])
    print(f"  {ways:4}  {name}  ({place})")
