"""Remarks on all segments, and how they overlap."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.fields import Subject
from segments.limits import PreviewTooSlow
from segments.linting import TITLES, Overlap, check_segments, overlap
from segments.models import Segment
from web.filters import reader_for
from web.pages import page
from web.tabs import is_restricted

TOO_SLOW = "This took too long to count. Ask an administrator for the answer of manage.py check_segments."


@dataclass(frozen=True)
class Cell:
    """How many members two segments share, and how many percent that is of the row's segment."""

    other: Segment
    shared: int
    percent: int
    own: bool

    @property
    def quarters(self) -> int:
        """How dark the cell is, from 0 for nothing shared to 4 for more than three quarters of the row."""
        return -(-self.percent // 25)


@login_required
@require_GET
def segments_check(request: HttpRequest) -> HttpResponse:
    """Every segment that there is something to say about. Remarks count all accounts, so who sees some sees none."""
    _all_accounts_only(request)
    try:
        checked = [
            (item.segment, [(TITLES[note.code], note.message) for note in item.notes])
            for item in check_segments(reader_for(request))
        ]
        text = ""
    except PreviewTooSlow:
        checked, text = [], TOO_SLOW
    total = Segment.objects.count()
    return page(request, "web/segments/check.html", {"checked": checked, "text": text, "total": total})


@login_required
@require_GET
def segments_overlap(request: HttpRequest) -> HttpResponse:
    """A table of how many accounts (or, with `subject`, users) each two active segments share."""
    _all_accounts_only(request)
    subject = Subject.USER if request.GET.get("subject") == Subject.USER else Subject.ACCOUNT
    chosen = Segment.objects.filter(subject=subject.value, active=True).in_tab_order()
    try:
        counted, text = overlap(chosen), ""
    except PreviewTooSlow:
        counted, text = Overlap([], {}), TOO_SLOW
    rows = [(segment, counted.size(segment), _cells(segment, counted)) for segment in counted.segments]
    context = {"rows": rows, "segments": counted.segments, "text": text, "subject": subject, "subjects": list(Subject)}
    return page(request, "web/segments/overlap.html", context)


def _cells(segment: Segment, counted: Overlap) -> list[Cell]:
    size = counted.size(segment)
    cells = []
    for other in counted.segments:
        shared = counted.shared.get((segment.pk, other.pk), 0)
        cells.append(Cell(other, shared, round(100 * shared / size) if size else 0, other.pk == segment.pk))
    return cells


def _all_accounts_only(request: HttpRequest) -> None:
    if is_restricted(request):
        raise PermissionDenied
