"""Print the path of every module of this Python's standard library, one a line."""

import sysconfig
from pathlib import Path

# What others installed, and tests, some of which are broken on purpose.
OUTSIDE = {"site-packages", "dist-packages", "test", "tests"}

library = Path(sysconfig.get_path("stdlib"))
for path in sorted(library.rglob("*.py")):
    place = path.relative_to(library)
    if not OUTSIDE.intersection(place.parts):
        print(path)
