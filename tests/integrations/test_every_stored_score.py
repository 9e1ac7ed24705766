"""Every stored score of the demo company beside plain Python; those of RavenStack are where that is loaded."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from core.clock import moment
from csbox.pipeline import refresh_everything
from health.models import HealthConfig, HealthOverride
from integrations.demo.judging import know_better
from tests.health import calculator
from tests.integrations import judged
from tests.integrations.judged import agree
from tests.integrations.reading import run

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def test_the_judge_shares_no_code_with_the_application() -> None:
    """Of all that is ours it imports the arithmetic of tests/health alone, which imports nothing; and it reads no score
    and no figure of usage that the application computed."""
    for module in (judged, calculator):
        source = Path(str(module.__file__)).read_text()
        nodes = list(ast.walk(ast.parse(source)))
        named = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        named |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        ours = {name for name in named if name.partition(".")[0] not in sys.stdlib_module_names}
        assert ours <= {"django.db", "tests.health"}, (module, ours)
        assert "usage_dailyusage" not in source and "usage_accountusage" not in source


@pytest.fixture
def _folder(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


def test_every_score_of_the_demo_company(_folder: None) -> None:
    run("load_demo", "--accounts", "60")
    now = moment()
    refresh_everything(now=now)
    assert agree(now.now) >= {"good", "average", "poor"}
    # What people add: pulses, bands by hand, a second version of the default config.
    assert know_better() > 5
    refresh_everything(now=now)
    assert agree(now.now) >= {"good", "average", "poor"}
    assert HealthOverride.objects.count() == 2
    assert HealthConfig.objects.get(is_default=True).version == 2
