"""How well scores and baselines tell beforehand who is lost: ROC-AUC, average precision, recall, precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from bench.foresight.baselines import activity, trained
from bench.foresight.poor import POOR, band_of, halves, poor
from bench.foresight.replay import History, Row, Scores

RESAMPLED = 1_000


def compare(history: History, scores: Scores) -> dict[str, Any]:
    """The config and the baselines on the later half, the config on the earlier one, and what the rows are."""
    rows = history.rows()
    earlier, later = halves(rows)
    features = {row: activity(history.until(row.account, row.day), row.day) for row in rows}
    risks = {
        "The stock config": risk(later, scores),
        "Days since last seen": [features[row].recency for row in later],
        "Fewest active days in 90": [-features[row].days_90 for row in later],
        **trained(earlier, later, features),
    }
    flagged = sum(band_of(row, scores) == POOR for row in later)
    outcomes = [row.outcome for row in later]
    return {
        "title": history.title,
        "question": history.question,
        "rows": len(rows),
        "lost": sum(row.outcome for row in rows),
        "first": min(row.day for row in rows).isoformat(),
        "last": max(row.day for row in rows).isoformat(),
        "later_from": min(row.day for row in later).isoformat(),
        "not_scored": sum(band_of(row, scores) == "none" for row in rows),
        "later": {name: quality(outcomes, values, flagged) for name, values in risks.items()},
        "interval": interval(later, risks["The stock config"], risks["Days since last seen"]),
        "poor": {"earlier": poor(earlier, scores), "later": poor(later, scores)},
        "earlier": {
            "The stock config": quality([row.outcome for row in earlier], risk(earlier, scores)),
            "Days since last seen": quality(
                [row.outcome for row in earlier], [features[row].recency for row in earlier]
            ),
        },
        "bands": {
            band: [sum(band_of(row, scores) == band for row in later),
                   sum(band_of(row, scores) == band and row.outcome for row in later)]
            for band in ("good", "average", "poor", "none")
        },
    }  # fmt: skip


def risk(rows: Sequence[Row], scores: Scores) -> list[float]:
    """The lower the score, the higher the risk; an account that is Not scored stands in the middle."""
    found = []
    for row in rows:
        score = scores[row.day][row.account].score
        found.append(50.0 if score is None else 100.0 - score)
    return found


def quality(outcomes: Sequence[bool], risks: Sequence[float], flagged: int | None = None) -> dict[str, Any]:
    """ROC-AUC and average precision; with `flagged`, precision and recall of that many rows of the highest risk.

    Rows of the same risk as the last one that fits count by the share of them that fits.
    """
    found: dict[str, Any] = {
        "rows": len(outcomes),
        "lost": sum(outcomes),
        "auc": round(float(roc_auc_score(outcomes, risks)), 3),
        "ap": round(float(average_precision_score(outcomes, risks)), 3),
    }
    if flagged:
        limit = sorted(risks, reverse=True)[flagged - 1]
        above = [lost for value, lost in zip(risks, outcomes, strict=True) if value > limit]
        equal = [lost for value, lost in zip(risks, outcomes, strict=True) if value == limit]
        hits = sum(above) + sum(equal) * (flagged - len(above)) / len(equal)
        found |= {"recall": round(hits / sum(outcomes), 2), "precision": round(hits / flagged, 2)}
    return found


def interval(rows: Sequence[Row], ours: Sequence[float], recency: Sequence[float]) -> dict[str, list[float]]:
    """Between what bounds the AUC lies in 95 of 100 samples, and its lead over recency; whole accounts are drawn,
    because the rows of an account are not independent."""
    dice = np.random.default_rng(1)
    accounts = sorted({row.account for row in rows})
    places = {account: [i for i, row in enumerate(rows) if row.account == account] for account in accounts}
    outcome, a, b = (np.array(values, dtype=float) for values in ([row.outcome for row in rows], ours, recency))
    aucs, leads = [], []
    while len(aucs) < RESAMPLED:
        drawn = [i for one in dice.integers(0, len(accounts), len(accounts)) for i in places[accounts[one]]]
        if 0 < outcome[drawn].sum() < len(drawn):
            aucs.append(roc_auc_score(outcome[drawn], a[drawn]))
            leads.append(aucs[-1] - roc_auc_score(outcome[drawn], b[drawn]))
    return {
        name: [round(float(value), 2) for value in np.quantile(values, [0.025, 0.975])]
        for name, values in (("auc", aucs), ("lead_over_recency", leads))
    }
