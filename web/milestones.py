"""What the milestones pages need besides the figures: which accounts the address asks about, and the editor's draft."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

from accounts.models import Account, TeamMember
from alerts.milestones.editing import Expected
from alerts.milestones.progress import STALLED_DAYS
from alerts.models import Milestone, MilestoneVersion
from core.intake import short, whole
from segments.models import AccountMembership, Segment
from segments.rule_form import Tree
from web.pages import member_of, page_number

VIEWS = {"board": "Board", "table": "Table", "funnel": "Funnel", "stalled": "Stalled", "setup": "Set-up"}
LAST_PAGE = 200


@dataclass(frozen=True)
class Asked:
    """What the address asks for: a view of the accounts of a segment and of a CSM, and the parts that do not exist."""

    view: str
    segment: Segment | None
    csm: TeamMember | None
    mine: bool
    days: int
    page: int
    unknown: list[str]

    @property
    def query(self) -> str:
        """The filters as they stand in an address, to be followed by a view."""
        csm = "me" if self.mine else self.csm.key if self.csm else ""
        given = {"segment": self.segment.key if self.segment else "", "csm": csm}
        return urlencode({name: value for name, value in given.items() if value})

    def accounts(self, seen: QuerySet[Account]) -> QuerySet[Account]:
        """Those of the accounts that may be seen which the filters let through."""
        if self.segment is not None:
            inside = AccountMembership.objects.filter(segment=self.segment, left_at__isnull=True)
            seen = seen.filter(pk__in=inside.values("account"))
        if self.csm is not None:
            mine = self.csm.assignments.filter(role="csm", ended_at__isnull=True)
            seen = seen.filter(pk__in=mine.values("account"))
        return seen


def asked_for(request: HttpRequest) -> Asked:
    """Read the address; what does not exist is left out and named."""
    get, unknown = request.GET, []
    view = get.get("view", "board")
    key, csm = get.get("segment", "").replace("\x00", ""), get.get("csm", "").replace("\x00", "")
    segment = Segment.objects.filter(key=key[:80], subject=Segment.Subject.ACCOUNT).first() if key else None
    if key and segment is None:
        unknown.append(f"segment {short(key, 40)}")
    whose = member_of(request) if csm == "me" else TeamMember.objects.filter(key=csm[:80]).first() if csm else None
    if csm and whose is None:
        unknown.append(f"CSM {short(csm, 40)}")
    mine = csm == "me" and whose is not None
    days = min(365, max(1, STALLED_DAYS if (days := whole(get.get("days"))) is None else days))
    return Asked(
        view if view in VIEWS else "board", segment, whose, mine, days, page_number(get.get("page"), LAST_PAGE),
        unknown,
    )  # fmt: skip


@dataclass
class MilestoneDraft:
    """A milestone as it stands in the form, and what is wrong with it by control."""

    milestone: Milestone | None = None
    tree: Tree = field(default_factory=lambda: {"match": "all", "rules": []})
    name: str = ""
    description: str = ""
    segments: list[int] = field(default_factory=list)
    start: str = Milestone.Start.ACCOUNT
    start_field: str = ""
    days: str = ""
    sticky: bool = True
    active: bool = True
    reason: str = ""
    version: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    problems: list[Any] = field(default_factory=list)
    theirs: MilestoneVersion | None = None

    @classmethod
    def of(cls, milestone: Milestone) -> MilestoneDraft:
        """As it is saved."""
        rule = milestone.condition if isinstance(milestone.condition, dict) and "rules" in milestone.condition else {}
        days = "" if milestone.expected_days is None else str(milestone.expected_days)
        return cls(
            milestone, rule or {"match": "all", "rules": []}, milestone.name, milestone.description,
            list(milestone.segments.values_list("pk", flat=True)), milestone.start, milestone.start_field, days,
            milestone.sticky, milestone.active, "", milestone.version,
        )  # fmt: skip

    def read(self, data: QueryDict) -> None:
        """Take over what was typed, but for the condition."""
        self.name, self.description = data.get("name", ""), data.get("description", "")
        self.segments = [pk for text in data.getlist("segments") if (pk := whole(text))]
        self.start, self.start_field = data.get("start", ""), data.get("start_field", "")[:120]
        self.days, self.reason = data.get("days", "").strip(), data.get("reason", "")
        self.sticky, self.active = data.get("sticky") == "1", data.get("active") == "1"
        version = whole(data.get("version"))
        self.version = self.version if version is None else version

    @property
    def expected(self) -> Expected | None:
        """What was typed about days; None, with the error noted, if it is no number."""
        days = whole(self.days, 99_999)
        if self.days and days is None:
            self.errors["days"] = "Enter a number of days, for example 14, or leave it empty."
            return None
        return Expected(days, self.start, self.start_field)

    def targets(self) -> list[Segment]:
        """The chosen segments that there are."""
        return list(Segment.objects.filter(pk__in=self.segments))
