"""Files are short and named after one subject."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
# A name that any function would fit tells nobody what is inside.
DRAWERS = {"domain.py", "utils.py", "util.py", "common.py", "helpers.py", "helper.py", "misc.py"}


def source_files(*patterns: str) -> list[Path]:
    """Return the files that are tracked, and those that are about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.splitlines() if (path := ROOT / name).exists()]


def python_files() -> list[Path]:
    found = source_files("*.py")
    assert len(found) > 300
    return found


def dashboard_files() -> list[Path]:
    found = [path for path in source_files("*.js", "*.css") if path.parent.name != "vendor"]
    assert len(found) > 30
    return found


def test_no_file_has_more_than_400_lines():
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in [*python_files(), *dashboard_files()]
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_no_file_is_a_drawer():
    assert [str(path.relative_to(ROOT)) for path in python_files() if path.name in DRAWERS] == []
    assert [path.name for path in dashboard_files() if path.with_suffix(".py").name in DRAWERS] == []
