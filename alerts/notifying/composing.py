"""From a notice to the message that is sent: short ones as they were written, digests with what there is to tell."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from accounts.models import Account
from alerts.brief import Brief, brief_of
from alerts.channels.base import Message
from alerts.models import Notice
from alerts.models.notice import Via
from alerts.notifying.kinds import DIGEST, WEEKLY
from core.clock import Moment
from core.models import Workspace
from health.portfolio import Whose, figures_of, movers_of, weak_renewals
from segments.questions import Reader

CARRIED = 50
WEEK = 7


def composed(notice: Notice, *, via: str, key: str, to: str, secret: str = "") -> Message:
    """The message of a notice. Only e-mail has a second form; the others show the title and the link themselves."""
    url, account = settings.PUBLIC_URL + notice.path, notice.account
    rendered = notice.kind in (DIGEST.key, WEEKLY.key) and notice.member is not None
    text, html = notice.text, ""
    if notice.kind == DIGEST.key and notice.channel is not None:
        text = _carried_lines(notice)
    if rendered or via == Via.EMAIL:
        template = notice.kind if rendered else "notice"
        context = {"notice": notice, "base": settings.PUBLIC_URL, "url": url, "workspace": Workspace.get()}
        if rendered:
            context |= _digest(notice) if notice.kind == DIGEST.key else _weekly(notice)
        text = render_to_string(f"alerts/{template}.txt", context).strip() + "\n"
        html = render_to_string(f"alerts/{template}.html", context) if via == Via.EMAIL else ""
    return Message(
        key=key, kind=notice.kind, title=notice.title, text=text, url=url, at=notice.at, to=to,
        account=account.external_id if account else "", account_name=account.name if account else "",
        severity=notice.severity, html=html, secret=secret,
    )  # fmt: skip


def _carried_lines(notice: Notice) -> str:
    """What a digest of a channel carries, a line for each."""
    carried = notice.carried.order_by("pk")
    titles, number = list(carried.values_list("title", flat=True)[:CARRIED]), carried.count()
    return "\n".join([*titles, *([f"and {number - CARRIED:,} more"] if number > CARRIED else [])])


def mine(notice: Notice) -> Any:
    """The accounts of whoever is told, among those that may be seen."""
    assert notice.member is not None
    return Whose(notice.member).accounts(Account.objects.visible_to(notice.member.user))


def _reader(notice: Notice) -> Reader:
    """As of the moment of the digest, whenever it is sent."""
    return Reader.now(Moment(notice.at, Workspace.get().zone))


def _digest(notice: Notice) -> dict[str, Any]:
    carried = notice.carried.select_related("account").order_by("-pk")
    return {
        "brief": brief_for(notice), "carried": list(carried[:CARRIED]), "carried_total": carried.count(),
    }  # fmt: skip


def brief_for(notice: Notice) -> Brief:
    """What changed in the accounts of whoever is told, since the digest before."""
    return brief_of(mine(notice), notice.since or notice.at, _reader(notice))


def _weekly(notice: Notice) -> dict[str, Any]:
    accounts, reader = mine(notice), _reader(notice)
    return {
        "figures": figures_of(accounts, reader),
        "movers": movers_of(accounts, WEEK, reader),
        "renewals": weak_renewals(accounts, reader),
    }
