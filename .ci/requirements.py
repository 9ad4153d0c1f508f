"""Write the requirements files from poetry.lock: after a change of it, `.venv/bin/python .ci/requirements.py`.

With ``--check`` nothing is written; the files that differ from the lock are named, with exit code 1. Poetry itself is
not needed: what its export would say of a group is all in the lock. An entry has the versions, markers and hashes of
the lock, for ``pip install --no-deps --require-hashes`` and for uv's alike.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "main": "requirements.txt",
    **{group: f"requirements-{group}.txt" for group in ("engine", "xlsx", "dev", "bench")},
}
HEAD = "# Written by .ci/requirements.py from poetry.lock, group {group}. Do not edit.\n"
ENGINE = "chdb-core"
"""All that is taken of its group: it works without the pandas, pyarrow and numpy that it names."""


def main(*, check: bool) -> int:
    """Write the files, or name those that differ; the exit code."""
    packages = tomllib.loads((ROOT / "poetry.lock").read_text(encoding="utf-8"))["package"]
    differing = []
    for group, name in FILES.items():
        entries = [_entry(package, group) for package in packages if _wanted(package, group)]
        text = HEAD.format(group=group) + "".join(entries)
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        differing.append(name)
        if not check:
            path.write_text(text, encoding="utf-8", newline="\n")
    told = "differs from poetry.lock: .venv/bin/python .ci/requirements.py" if check else "written"
    sys.stdout.writelines(f"{name} {told}\n" for name in differing)
    return int(check and bool(differing))


def _wanted(package: dict[str, Any], group: str) -> bool:
    return group in package["groups"] and (group != "engine" or package["name"] == ENGINE)


def _entry(package: dict[str, Any], group: str) -> str:
    """A package as pip reads it: version, marker, and a line for each hash."""
    markers = package.get("markers", "")
    marker = markers.get(group, "") if isinstance(markers, dict) else markers
    first = f"{package['name']}=={package['version']}" + (f" ; {marker}" if marker else "")
    hashes = sorted({f"    --hash={file['hash']}" for file in package["files"]})
    return " \\\n".join([first, *hashes]) + "\n"


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
