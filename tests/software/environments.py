"""Python environments as installers leave them, made by hand: no index and no compiler is asked."""

import json
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

LIBRARY = f"python{sys.version_info[0]}.{sys.version_info[1]}"


class MadeEnvironment:
    """A virtual environment of this Python, with packages in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.site = root / "lib" / LIBRARY / "site-packages"
        self.python = root / "bin" / "python"
        self.site.mkdir(parents=True)
        self.python.parent.mkdir()
        self.python.symlink_to(os.path.realpath(sys.executable))
        home = os.path.dirname(os.path.realpath(sys.executable))
        (root / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")

    def install(
        self,
        name: str,
        files: Mapping[str, str | bytes],
        version: str = "1.0",
        *,
        scripts: str = "",
        origin: object = None,
        record: bool = True,
    ) -> None:
        """Install a package of these files; `scripts` are lines of console_scripts."""
        info = f"{name}-{version}.dist-info"
        all_files = dict(files)
        all_files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        if scripts:
            all_files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n"
        if origin is not None:
            all_files[f"{info}/direct_url.json"] = json.dumps(origin)
        for path, content in all_files.items():
            place(self.site / path, content)
        if record:
            rows = [f"{path},," for path in [*all_files, f"{info}/RECORD"]]
            place(self.site / info / "RECORD", "\n".join(rows))

    def install_editable(self, name: str, project: Path, *, folder: str = "src") -> None:
        """Install a project by the path of a folder of it, as most backends do."""
        url = {"url": f"file://{project}", "dir_info": {"editable": True}}
        pth = {f"__editable__.{name}-1.0.pth": f"{project / folder}\n"}
        self.install(name, pth, origin=url)

    def install_mapped(
        self, name: str, project: Path, mapping: Mapping[str, str], namespaces: object = None
    ) -> None:
        """Install a project as setuptools does one that is not in a folder of its own."""
        finder = f"__editable___{name}_1_0_finder"
        url = {"url": f"file://{project}", "dir_info": {"editable": True}}
        files = {
            f"__editable__.{name}-1.0.pth": f"import {finder}; {finder}.install()",
            f"{finder}.py": f"MAPPING: dict[str, str] = {dict(mapping)!r}\n"
            f"NAMESPACES: dict[str, list[str]] = {namespaces or {}!r}\n"
            "def install():\n    pass\n",
        }
        self.install(name, files, origin=url)


def place(path: Path, content: str | bytes) -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        path.write_bytes(content)
    return path


def compiled(package: str, module: str = "_json") -> dict[str, bytes]:
    """Return the files of a package with a compiled module: one of Python's own, renamed."""
    name = f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"
    folder = sysconfig.get_config_var("DESTSHARED")
    return {f"{package}/__init__.py": b"", f"{package}/{name}": Path(folder, name).read_bytes()}
