"""What was known of health on a past day: pulses, and the scores as they were stored, with their trends."""

from __future__ import annotations

from core.clock import Moment
from core.shadow import Shadows
from core.spans import ONE_DAY
from health.models import AccountHealth, BandChange, Pulse

_SCORE_OF = """
(SELECT d.score FROM health_healthday AS d
 WHERE d.account_id = a.id AND d.day <= %(day)s::date - {} ORDER BY d.day DESC LIMIT 1)
"""
# A column of the newest row up to the day, or what is kept elsewhere: since when the band is what it is, and whether a
# person had given it.
_COLUMNS = {
    "computed_band": "newest.band",
    "overridden": """EXISTS (SELECT 1 FROM health_healthoverride AS hand WHERE hand.account_id = a.id
        AND hand.created_at < %(end)s AND (hand.ended_at IS NULL OR hand.ended_at >= %(end)s)
        AND (hand.until IS NULL OR hand.until >= %(day)s))""",
    "band_since": """coalesce((SELECT flip.at FROM health_bandchange AS flip WHERE flip.account_id = a.id
        AND flip.at < %(end)s ORDER BY flip.at DESC LIMIT 1), (newest.day::timestamp AT TIME ZONE %(zone)s))""",
    **{f"score_{days}d": _SCORE_OF.format(days) for days in (7, 30, 90)},
}
_SCORES = """
SELECT {columns} FROM accounts_account AS a CROSS JOIN LATERAL (
    SELECT * FROM health_healthday AS one WHERE one.account_id = a.id AND one.day <= %(day)s
    ORDER BY one.day DESC LIMIT 1
) AS newest
"""


def show_pulses(shadows: Shadows, moment: Moment) -> None:
    """The pulses that had been noted by the end of the day."""
    table = Pulse._meta.db_table
    shadows.view(table, f"SELECT * FROM {shadows.real(table)} WHERE at <= %s", [moment.now])  # noqa: S608


def show_scores(shadows: Shadows, moment: Moment) -> None:
    """The score of each account at the end of the day, as the scoring of then stored it, and the changes of its band up
    to then; none before the first one."""
    names = [str(field.column) for field in AccountHealth._meta.concrete_fields]
    columns = ", ".join(f'{_COLUMNS.get(name, f"newest.{chr(34)}{name}{chr(34)}")} AS "{name}"' for name in names)
    values = {"day": moment.today, "end": moment.start_of(moment.today + ONE_DAY), "zone": moment.zone.key}
    quoted = [f'"{name}"' for name in names]
    changes = BandChange._meta.db_table
    shadows.view(changes, f"SELECT * FROM {shadows.real(changes)} WHERE at <= %s", [moment.now])  # noqa: S608
    shadows.table("health_accounthealth", "account_id", quoted, _SCORES.format(columns=columns), values)
