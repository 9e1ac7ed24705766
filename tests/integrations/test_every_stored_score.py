"""Every stored score of the demo company beside plain Python; those of RavenStack are where that is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.clock import moment
from csbox.pipeline import refresh_everything
from health.models import HealthConfig, HealthOverride
from integrations.demo.judging import know_better
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
    # What people add: pulses, bands by hand, a second version of the default config.
    assert know_better() > 5
    refresh_everything(now=now)
    assert agree(now.now) >= {"good", "average", "poor"}
    assert HealthOverride.objects.count() == 2
    assert HealthConfig.objects.get(is_default=True).version == 2
