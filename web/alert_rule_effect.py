"""What an alert rule would do if it were saved now: for whom it holds, a message, what happens to its open alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError

from accounts.models import Account
from alerts.definition import Definition, scoped
from alerts.messages import check_message, filled
from alerts.models import Alert
from core.intake import BadValue
from segments.limits import PreviewTooSlow, bounded
from segments.questions import PREVIEW_LIMIT_MS, Preview, Question, Reader, preview
from segments.rule_view import RuleView
from segments.rules.tree import RuleError
from web.alert_rule_form import RuleDraft

TOO_SLOW = "Still counting after 2 seconds. Saving works; the alerts come with the refresh."


@dataclass(frozen=True)
class Effect:
    """`seen` counts the accounts for which it holds now, of those that the colleague may see. Of the alerts that are
    open now `ends` would end because the rule is another one; `opens` says whether saving opens any."""

    seen: Preview
    share: int
    open: int
    ends: int
    opens: bool


def rule_effect(
    draft: RuleDraft, definition: Definition, reader: Reader, viewer: Any, condition: RuleView
) -> dict[str, Any]:
    """The effect and a message as it would read, or why there is none. Counts of single conditions are put at their
    nodes."""
    data = definition.data()
    try:
        question = reader.read(scoped(data["condition"], definition.segments))
        seen = preview(question, base=question.members.seen_by(viewer))
        ends = _ends(draft, question)
        example = _example(draft.message, seen, reader)
    except RuleError as error:
        return {"effect": None, "why_not": error.first}
    except PreviewTooSlow:
        return {"effect": None, "why_not": TOO_SLOW}
    except DatabaseError as error:
        return {"effect": None, "why_not": f"It cannot be counted: {str(error).splitlines()[0][:200]}."}
    at, nodes = f"/rules/{1 if definition.segments else 0}", condition.by_pointer()
    for pointer, number in seen.alone.items():
        if pointer.startswith(f"{at}/") and (node := nodes.get(pointer.removeprefix(at))):
            node.alone = number
    now_open = draft.rule.alerts.filter(ended_at=None).count() if draft.rule else 0
    clear = definition.clear.words if definition.clear else ""
    share = round(100 * seen.count / seen.total) if seen.total else 0
    opens = draft.include_existing and draft.active
    return {
        "effect": Effect(seen, share, now_open, ends, opens),
        "words": definition.condition.words,
        "clear_words": clear[:1].lower() + clear[1:],
        "example": example,
    }


def _ends(draft: RuleDraft, question: Question) -> int:
    """How many open alerts are about accounts for which it would not hold; all of them if it is switched off."""
    if draft.rule is None:
        return 0
    mine = Alert.objects.open().filter(rule=draft.rule)
    if not draft.active:
        return mine.count()
    with bounded(PREVIEW_LIMIT_MS):
        return mine.exclude(account__in=question.accounts().order_by().values("pk")).count()


def _example(message: str, seen: Preview, reader: Reader) -> tuple[Account, str] | None:
    """An account for which it holds and the message about it; none while the message cannot be read."""
    if not seen.sample:
        return None
    account = seen.sample[0]
    try:
        text = check_message(message)
    except BadValue as error:
        return account, str(error)
    with bounded(PREVIEW_LIMIT_MS):
        return account, filled(text, [account.pk], reader).get(account.pk, "")
