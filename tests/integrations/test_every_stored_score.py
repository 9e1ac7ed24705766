"""Every stored score of the demo company beside plain Python; those of RavenStack are where that is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.clock import moment
from csbox.pipeline import refresh_everything
from tests.integrations.judged import agree
from tests.integrations.reading import run

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def _folder(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


def test_every_score_of_the_demo_company(_folder: None) -> None:
    run("load_demo", "--accounts", "60")
    now = moment()
    refresh_everything(now=now)
    assert agree(now.now) >= {"good", "average", "poor"}
