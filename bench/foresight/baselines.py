"""What the config is compared with: one number alone, and two models that learn from 20 features of activity.

The features are counted here from the events of the files; nothing of the application is used.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from bench.foresight.replay import Event, Row

WINDOWS = (30, 90, 180, 365)
NEVER = 365


@dataclass(frozen=True)
class Activity:
    """20 numbers: of four windows the events, active days, users and kinds of events; the days since the account was
    last and first seen; the busiest user's share of the events of 90 days; the change of active days between quarters."""

    numbers: tuple[float, ...]
    recency: int
    days_90: int


def activity(events: Sequence[Event], day: dt.date) -> Activity:
    """The features of an account on a day, from its events up to then."""
    numbers: list[float] = []
    for window in WINDOWS:
        recent = [event for event in events if (day - event[0]).days < window]
        numbers += [
            len(recent), len({at for at, _, _ in recent}), len({user for _, user, _ in recent}),
            len({kind for *_, kind in recent}),
        ]  # fmt: skip
    recency = (day - events[-1][0]).days if events else NEVER
    age = (day - events[0][0]).days if events else 0
    by_user = Counter(user for at, user, _ in events if (day - at).days < 90)
    share = max(by_user.values(), default=0) / max(1, by_user.total())
    before = len({at for at, _, _ in events if 90 <= (day - at).days < 180})
    change = (numbers[5] - before) / (numbers[5] + before) if numbers[5] + before else 0.0
    return Activity((*numbers, recency, age, share, change), recency, int(numbers[5]))


def trained(
    earlier: Sequence[Row], later: Sequence[Row], features: Mapping[Row, Activity]
) -> dict[str, Sequence[float]]:
    """The risks of the later rows by models that learned from the earlier ones, with the settings of scikit-learn."""
    known = np.array([features[row].numbers for row in earlier])
    asked = np.array([features[row].numbers for row in later])
    outcomes = [row.outcome for row in earlier]
    # Counts are skewed: the models are given their logarithms, as is usual. The change may be negative and stays.
    logs = FunctionTransformer(lambda x: np.hstack([np.log1p(x[:, :-1]), x[:, -1:]]))
    models = {
        "Logistic regression on 20 features": make_pipeline(logs, StandardScaler(), LogisticRegression(max_iter=5_000)),
        "Gradient boosting on 20 features": GradientBoostingClassifier(random_state=0),
    }
    return {name: model.fit(known, outcomes).predict_proba(asked)[:, 1].tolist() for name, model in models.items()}
