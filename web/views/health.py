"""Health 360: the configs in the order in which they are asked, what each looks at, and whom it scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account
from health.definition import Definition, DefinitionError, Measure, read_definition
from health.editing import reorder_configs
from health.explaining import limits_in_words
from health.models import AccountHealth, Band, HealthConfig
from health.overlap import is_overlap
from health.requesting import is_scoring_due
from segments.models import AccountMembership
from segments.questions import Reader
from web.charts import Mix, mix
from web.filters import reader_for
from web.notices import notify
from web.pages import END_POLLING, is_part, may_edit_segments, page, part
from web.undo import inverse, keep_inverse
from web.views.segments import editors_only


@dataclass(frozen=True)
class Row:
    """A config of the list: its place, how many accounts it scores, and their bands."""

    config: HealthConfig
    place: int
    scored: int
    mix: Mix
    first: bool
    last: bool


@dataclass(frozen=True)
class MeasureRow:
    """A measure with its two sides in words, and what was wrong with it when it was scored last."""

    measure: Measure
    good: str
    poor: str
    problem: str

    @property
    def scored(self) -> bool:
        """Whether it is scored all the same."""
        return is_overlap(self.problem)


@login_required
@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """The configs, and one of them in full (`config`, else the first)."""
    scoring = is_scoring_due()  # asked before the numbers are read, which are then never older than it says
    configs = list(HealthConfig.objects.select_related("segment"))
    rows = rows_of(request, configs)
    wanted = request.GET.get("config", "")
    chosen = next((row for row in rows if str(row.config.pk) == wanted), rows[0] if rows else None)
    reader = reader_for(request)
    context: dict[str, Any] = {
        "rows": rows, "chosen": chosen, "may_edit": may_edit_segments(request), "scoring": scoring and bool(rows),
    }  # fmt: skip
    if chosen:
        context |= {"dimensions": dimensions_of(chosen.config, reader), "elsewhere": elsewhere(request, chosen.config)}
        context["problem"] = chosen.config.problems.get("", "")
    return page(request, "web/health/page.html", context, parts={"health-order": "web/health/_scored_part.html"})


@login_required
@require_GET
def scoring_progress(request: HttpRequest) -> HttpResponse:
    """Whether a scoring is still to come, for a page that looks every second; 286 ends that, and has the numbers of the
    page read anew."""
    due = is_scoring_due()
    if not is_part(request):
        return HttpResponseRedirect(reverse("health"))
    if due:
        return part(request, "web/health/_scoring.html")
    response = part(request, "web/health/_scoring_done.html", status=END_POLLING)
    response["HX-Trigger"] = "health-scored"
    return response


def rows_of(request: HttpRequest, configs: list[HealthConfig]) -> list[Row]:
    """Each config with the accounts that this person may see, in two statements however many there are."""
    seen = Account.objects.visible_to(request.user).order_by().values("pk")
    counted = AccountHealth.objects.filter(account__in=seen).order_by().values_list("config", "band")
    numbers = {(config, band): number for config, band, number in counted.annotate(n=Count("pk"))}
    movable = [config.pk for config in configs if not config.is_default]
    found = []
    for place, config in enumerate(configs, start=1):
        parts = [(f"band-{band}", str(label), numbers.get((config.pk, band), 0)) for band, label in Band.choices]
        total = sum(number for _, _, number in parts)
        ends = movable[:1] == [config.pk], movable[-1:] == [config.pk]
        found.append(Row(config, place, total, mix(parts), *ends))
    return found


def dimensions_of(config: HealthConfig, reader: Reader) -> list[tuple[Any, list[MeasureRow]]]:
    """Each dimension with its measures in words; what cannot be read any more says so."""
    try:
        definition = read_definition(config.definition, reader, lenient=True)
    except DefinitionError:
        definition = Definition(())
    said: dict[str, str] = config.problems
    return [(one, [measure_row(measure, said) for measure in one.measures]) for one in definition.dimensions]


def measure_row(measure: Measure, problems: Mapping[str, str]) -> MeasureRow:
    """The Good and the Poor side of a measure, with its problem of those that its config has."""
    return MeasureRow(measure, *limits_in_words(measure), measure.problem or problems.get(measure.key, ""))


def elsewhere(request: HttpRequest, config: HealthConfig) -> list[tuple[HealthConfig, int, bool]]:
    """The other configs that score some of its segment's accounts, with how many, and whether they are asked before."""
    if config.segment_id is None:
        return []
    members = AccountMembership.objects.filter(segment=config.segment_id, left_at__isnull=True).values("account_id")
    seen = Account.objects.visible_to(request.user).order_by().filter(pk__in=members).values("pk")
    rows = AccountHealth.objects.filter(account__in=seen).exclude(config=config).exclude(config=None).order_by()
    counts = dict(rows.values_list("config").annotate(n=Count("pk")))
    mine = (config.position, config.pk)
    return [
        (one, counts[one.pk], not one.is_default and (one.position, one.pk) < mine)
        for one in HealthConfig.objects.filter(pk__in=counts)
    ]


@login_required
@require_POST
def health_move(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a config earlier or later (`dir`), or at a place (`place`, counted from 1); htmx gets the order anew."""
    editors_only(request)
    config = get_object_or_404(HealthConfig, pk=pk, is_default=False)
    order = list(HealthConfig.objects.filter(is_default=False).values_list("pk", flat=True))
    place, given = order.index(config.pk), request.POST.get("place", "")
    if given.isascii() and given.isdigit() and len(given) < 6:
        wanted = int(given) - 1
    else:
        wanted = place + (-1 if request.POST.get("dir") == "-1" else 1)
    wanted = max(0, min(len(order) - 1, wanted))
    if wanted != place:
        before = list(order)
        order.insert(wanted, order.pop(place))
        reorder_configs(order)
        token = keep_inverse(request, "health-order", {"ids": before}, back=reverse("health"))
        notify(request, f"{config.name} is asked as number {wanted + 1}. Every account is scored anew.", undo=token)
    if not is_part(request):
        return HttpResponseRedirect(f"{reverse('health')}?config={config.pk}")
    rows = rows_of(request, list(HealthConfig.objects.select_related("segment")))
    shown = request.POST.get("shown", "")
    chosen = next((row for row in rows if str(row.config.pk) == shown), None)
    context = {"rows": rows, "chosen": chosen, "may_edit": True, "scoring": is_scoring_due()}
    return part(request, "web/health/_order_part.html", context)


@inverse("health-order")
def _order_back(request: HttpRequest, data: dict[str, Any]) -> str:
    editors_only(request)
    reorder_configs(data["ids"])
    return "The health configs are in their earlier order."
