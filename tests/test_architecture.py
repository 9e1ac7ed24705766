"""The shape of the code: who imports whom, how long a file may be, and which drawers there are not."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("csbox", "web", "integrations", "alerts", "health", "segments", "usage", "accounts", "core")
DRAWERS = {"utils.py", "helpers.py", "services.py", "handlers.py"}
LONGEST_FILE, LONGEST_FUNCTION = 350, 50
PRIVATE = ("api", "admin", "tasks", "account_fields")


def sources(*folders: str) -> list[Path]:
    """Python files of ours, without migrations."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(p for p in found if "migrations" not in p.parts)


CODE = sources(*PACKAGES)
ALL = CODE + sources("tests", "bench")


def test_imports_go_downwards() -> None:
    """The contracts in pyproject.toml hold, and none of them has an exception."""
    config = (ROOT / "pyproject.toml").read_text()
    assert "ignore_imports" not in config
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_that_runs_binds_csbox_to_its_own_licence() -> None:
    """csbox is MIT: what it needs to run may be under the LGPL, not under the GPL or AGPL."""
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    installed = {re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(): found.metadata for found in distributions()}
    there = locked & set(installed)  # a few are for other systems or older Pythons
    assert len(there) > 40
    bound = {}
    for name in there:
        about = installed[name]
        classes = [line for line in about.get_all("Classifier") or [] if line.startswith("License")]
        said = " ".join([about.get("License-Expression") or "", (about.get("License") or "")[:80], *classes])
        if re.search(r"\bA?GPL|(?<!Lesser )General Public", said):
            bound[name] = said
    assert bound == {}


def test_nobody_imports_the_edges_of_another_app() -> None:
    """An app's api, admin, tasks and account_fields are its own; the composition root may put them together."""
    wrong = []
    for path in CODE:
        here = path.relative_to(ROOT).parts[0]
        if here == "csbox":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                parts = name.split(".")
                # core.api is the shared base of every api, and below all of them
                if parts[0] in PACKAGES[1:-1] and parts[0] != here and len(parts) > 1 and parts[1] in PRIVATE:
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", ALL, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_go(path: Path) -> None:
    """Files and functions stay short, and a module says what it is for."""
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= LONGEST_FILE, f"{lines} lines"
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"
    if text.strip() and path.name != "__init__.py":
        assert ast.get_docstring(tree), "has no docstring"


def test_there_are_no_drawers() -> None:
    """A module that writes is named for its process."""
    assert not [path for path in ALL if path.name in DRAWERS]


def test_one_file_knows_the_queue() -> None:
    """core/jobs.py is the only one that imports django-q2, so that it can be replaced."""
    knowing = [p.relative_to(ROOT).as_posix() for p in CODE if "import django_q" in p.read_text()]
    knowing += [p.relative_to(ROOT).as_posix() for p in CODE if "from django_q" in p.read_text()]
    assert set(knowing) <= {"core/jobs.py"}


def test_no_engine_reads_the_zone_of_whoever_looks() -> None:
    """Days below `web` are the workspace's: nothing there asks Django for the zone that is active (`web.time_zone`)."""
    asked = re.compile(r"localtime\(|localdate\(|get_current_timezone|make_aware|__date\b|TruncDate\((?!.*tzinfo)")
    below = sources("integrations", "alerts", "health", "segments", "usage", "accounts")
    found = [path for path in below if asked.search(path.read_text()) and "admin" not in path.parts]
    assert not found


def test_the_lock_names_no_address() -> None:
    """Where packages come from is the machine's business."""
    for lock in ROOT.glob("requirements*.lock"):
        assert "://" not in lock.read_text(), lock.name
        assert "--hash=sha256:" in lock.read_text(), lock.name


MANUAL = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_what_the_manual_links_to_is_there() -> None:
    """Pages, headings and pictures; what begins with a scheme is not ours."""
    lost = []
    for page in MANUAL:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if "://" not in target and not target.startswith(("/", "mailto:")):
                name, _, heading = target.partition("#")
                there = (page.parent / name) if name else page
                if not there.exists() or (heading and heading not in _anchors(there.read_text())):
                    lost.append(f"{page.name}: {target}")
    assert lost == []


def _anchors(text: str) -> set[str]:
    """The headings of a page as links name them: small letters, blanks as hyphens, other signs left out."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# What csbox tells its own processes, and what only tests set.
OF_OUR_OWN = {"IS_WORKER", "NO_RESTART", "Q_SYNC", "READY_FILE", "STATIC_FROM_APPS", "TEST_DATABASE"}


def test_every_setting_of_the_environment_is_in_the_manual() -> None:
    asked = {name for path in CODE for name in re.findall(r"CSBOX_([A-Z_]*[A-Z])\b", path.read_text())}
    told = {name for page in MANUAL[2:] for name in re.findall(r"CSBOX_([A-Z_]*[A-Z])\b", page.read_text())}
    assert len(asked) > 30
    assert asked - OF_OUR_OWN - told == set()


def test_the_readme_says_what_csbox_is_and_leads_to_everything() -> None:
    """A picture, the two commands, every folder on the map, and every page of the manual."""
    text = (ROOT / "README.md").read_text()
    picture = re.search(r"!\[.+?\]\((\S+\.png)\)", text)
    assert picture and (ROOT / picture[1]).read_bytes().startswith(b"\x89PNG")
    assert "python3 manage.py demo" in text and "python3 manage.py test" in text
    on_the_map = {name for cells in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE) for name in cells.split("`")}
    assert {*PACKAGES, "templates", "bench", "docs"} <= on_the_map
    unnamed = [page.name for page in MANUAL[2:] if f"docs/{page.name}" not in text]
    assert unnamed == []
    assert "Permission is hereby granted, free of charge" in (ROOT / "LICENSE").read_text()
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()
