"""Alert rules: the list with what became of their alerts, copies, switching and deleting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from alerts.cloning import clone_alert_rule
from alerts.editing import delete_alert_rule, set_rule_active
from alerts.models import AlertRule, AlertRuleVersion, Playbook
from alerts.playbooks.editing import delete_playbook
from alerts.proposing import Proposal, proposals_for
from alerts.quality import DAYS, USUAL, Quality, quality_of
from core.intake import BadValue, whole
from core.refusals import sentence
from segments.rules.tree import RuleError
from web.filters import reader_for
from web.notices import notify
from web.pages import may_edit_segments, page
from web.undo import inverse, keep_inverse
from web.views.segments import editors_only


@dataclass(frozen=True)
class RuleRow:
    """One line of the list."""

    rule: AlertRule
    version: AlertRuleVersion | None
    quality: Quality
    proposals: list[Proposal]


@login_required
@require_GET
def alert_rules(request: HttpRequest) -> HttpResponse:
    """The rules in words, with what became of their alerts in the last days (`days`), and what to change."""
    asked = whole(request.GET.get("days"))
    days = asked if asked in DAYS else USUAL
    rules = list(AlertRule.objects.select_related("role", "fallback", "watch").prefetch_related("segments"))
    newest = AlertRuleVersion.objects.filter(rule__in=rules).order_by("rule_id", "-number").distinct("rule_id")
    versions = {version.rule_id: version for version in newest}
    now = reader_for(request).moment
    rows = [
        RuleRow(one.rule, versions.get(one.rule.pk), one, proposals_for(one)) for one in quality_of(rules, now, days)
    ]
    context = {
        "rows": rows, "days": days, "spans": DAYS, "may_edit": may_edit_segments(request),
        "proposed": sum(bool(row.proposals) for row in rows),
    }  # fmt: skip
    return page(request, "web/alerts/rules.html", context)


def _rule(pk: int) -> AlertRule:
    return get_object_or_404(AlertRule.objects.select_related("watch", "clear_watch", "role", "fallback"), pk=pk)


@login_required
@require_POST
def alert_rule_clone(request: HttpRequest, pk: int) -> HttpResponse:
    """Copy a rule, switched off, and open the copy for editing."""
    editors_only(request)
    original = _rule(pk)
    try:
        copy = clone_alert_rule(original, author=request.user)
    except (RuleError, BadValue) as error:
        notify(request, f"{original.name} cannot be cloned: {sentence(error)}")
        return HttpResponseRedirect(f"{reverse('alert_rules')}#rule-{pk}")
    begun = list(copy.playbooks.values_list("pk", flat=True))
    kept = {"rule": copy.pk, "playbooks": begun}
    token = keep_inverse(request, "alert-rule-clone", kept, back=reverse("alert_rules"))
    too = f" Its playbook{' was' if len(begun) == 1 else 's were'} copied too." if begun else ""
    notify(request, f"{original.name} cloned. The copy is off until you switch it on.{too}", undo=token)
    return HttpResponseRedirect(reverse("alert_rule", args=[copy.pk]))


@inverse("alert-rule-clone")
def _unclone(request: HttpRequest, data: dict[str, Any]) -> str:
    rule = AlertRule.objects.filter(pk=data["rule"]).first()
    if rule is None:
        return "It was deleted already."
    for playbook in Playbook.objects.filter(rule=rule, pk__in=data.get("playbooks", ()), enrolments=None):
        delete_playbook(playbook)
    delete_alert_rule(rule, author=request.user)
    return f"{rule.name} removed."


@login_required
@require_POST
def alert_rule_active(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch a rule on or off (`active`)."""
    editors_only(request)
    rule, active = _rule(pk), request.POST.get("active") == "1"
    number = 0 if active else rule.alerts.filter(ended_at=None).count()
    if active != rule.active:
        set_rule_active(rule, active, author=request.user)
        data = {"rule": pk, "active": not active}
        token = keep_inverse(request, "alert-rule-active", data, back=reverse("alert_rules"))
        ends = f" {number:,} open alert{'' if number == 1 else 's'} end{'s' if number == 1 else ''}." if number else ""
        notify(request, f"{rule.name} switched {'on' if active else 'off'}.{ends}", undo=token)
    return HttpResponseRedirect(f"{reverse('alert_rules')}#rule-{pk}")


@inverse("alert-rule-active")
def _active_back(request: HttpRequest, data: dict[str, Any]) -> str:
    rule = AlertRule.objects.get(pk=data["rule"])
    set_rule_active(rule, data["active"], author=request.user)
    return f"{rule.name} switched {'on' if data['active'] else 'off'} again."


@login_required
@require_POST
def alert_rule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a rule; its alerts are kept, closed."""
    editors_only(request)
    rule = _rule(pk)
    number = rule.alerts.count()
    delete_alert_rule(rule, author=request.user)
    kept = f" Its {number:,} alert{' is' if number == 1 else 's are'} kept." if number else ""
    notify(request, f"{rule.name} deleted.{kept}")
    return HttpResponseRedirect(reverse("alert_rules"))
