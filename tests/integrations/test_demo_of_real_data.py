"""A data set shown by `demo`: beside its rows, the ready-made segments that say something about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accounts.models import LifecycleStage
from csbox import preparing
from segments.models import Segment
from tests.factories import account

pytestmark = pytest.mark.django_db


def test_ready_made_segments_that_tell_accounts_apart_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "accounts.csv").write_text("id\n")
    monkeypatch.setenv("DEMO_DATA", "ravenstack")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    def load(command: str, name: str, folder: str, **_: Any) -> None:
        assert (command, name, Path(folder)) == ("load_dataset", "ravenstack", tmp_path)
        account("Acme", stage=LifecycleStage.objects.get(name="Live"), industry="Retail")
        account("Bolt", stage=LifecycleStage.objects.get(name="Trial"), industry="Retail")

    monkeypatch.setattr(preparing, "call_command", load)
    preparing.demo_data(accounts=300)
    taken = set(Segment.objects.values_list("name", flat=True))
    assert {"Active accounts", "In trial"} <= taken
    assert "All accounts" not in taken and "Retail" not in taken  # which hold everybody
    assert "New customers" not in taken  # which holds nobody
