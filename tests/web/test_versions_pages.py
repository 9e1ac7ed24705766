"""A segment through time, on its pages."""

from __future__ import annotations

from django.test import Client

from alerts.editing import save_alert_rule
from alerts.models import AlertRule
from segments.models import Segment, SegmentVersion
from segments.refresh import refresh_due
from tests import factories
from tests.playbooks.conftest import playbook
from tests.web.conftest import Company
from tests.web.reading import text
from tests.web.test_actions import undo_token
from tests.web.test_builder import opened, send

FEW = {"match": "all", "rules": [{"field": "account.licences", "op": "at_most", "value": 5}]}


def changed(client: Client, segment: Segment, value: str, reason: str) -> None:
    path = f"/segments/{segment.pk}/edit/"
    assert send(client, path, opened(client, path), n__0__value=value, reason=reason).status_code == 302
    refresh_due()


def test_versions_show_author_reason_and_what_changed(manager: Client, csm: Client, company: Company) -> None:
    large = company.segments["large"]
    changed(manager, large, "5000", "Board decision")
    page = text(manager.get(f"/segments/{large.pk}/versions/").content.decode())
    assert f"Version 2 In use {company.manager}, just now Reason: Board decision" in page
    assert "Changed MRR is at least $2,000 → MRR is at least $5,000" in page
    assert "Version 1" in page and "The first definition." in page and "Restore version 1" in page
    reading = csm.get(f"/segments/{large.pk}/versions/")
    assert reading.status_code == 200 and "Restore version" not in text(reading.content.decode())


def test_restoring_and_undoing_it_are_versions_of_their_own(manager: Client, company: Company) -> None:
    large = company.segments["large"]
    changed(manager, large, "5000", "")
    page = manager.post(f"/segments/{large.pk}/versions/1/restore/", follow=True).content.decode()
    assert "Version 1 restored as version 3." in text(page)
    assert Segment.objects.get(pk=large.pk).rule["rules"][0]["value"] == 2000
    token = page.split("/undo/")[1].split("/")[0]
    assert "Version 2 is in use again, as version 4." in text(
        manager.post(f"/undo/{token}/", follow=True).content.decode()
    )
    assert Segment.objects.get(pk=large.pk).rule["rules"][0]["value"] == 5000
    same = manager.post(f"/segments/{large.pk}/versions/2/restore/", follow=True)
    assert "Nothing was changed." in text(same.content.decode())
    assert SegmentVersion.objects.filter(segment=large).count() == 4


def test_a_version_that_names_what_is_gone_cannot_be_restored(manager: Client, csm: Client, company: Company) -> None:
    large = company.segments["large"]
    changed(manager, large, "5000", "")
    SegmentVersion.objects.filter(segment=large, number=1).update(
        rule={"match": "all", "rules": [{"field": "account.gone", "op": "is_set"}]}
    )
    page = manager.post(f"/segments/{large.pk}/versions/1/restore/", follow=True).content.decode()
    assert "Version 1 cannot be restored: There is no field “account.gone”." in text(page)
    assert "There is no version" not in page and "has no version 9" in text(
        manager.post(f"/segments/{large.pk}/versions/9/restore/", follow=True).content.decode()
    )
    assert csm.post(f"/segments/{large.pk}/versions/1/restore/").status_code == 403


def test_a_restore_is_not_undone_over_what_somebody_saved_since(manager: Client, company: Company) -> None:
    large = company.segments["large"]
    changed(manager, large, "5000", "")
    token = undo_token(manager.post(f"/segments/{large.pk}/versions/1/restore/"))
    changed(manager, large, "7000", "")
    page = text(manager.post(f"/undo/{token}/", follow=True).content.decode())
    assert f"{large.name} was changed again since (version 4), so it was left as it is." in page
    assert Segment.objects.get(pk=large.pk).rule["rules"][0]["value"] == 7000


def test_a_restore_of_what_was_deleted_since_is_not_undone(manager: Client, company: Company) -> None:
    made = factories.segment("Short-lived", {"field": "account.mrr", "op": "at_least", "value": 1})
    changed(manager, made, "2", "")
    token = undo_token(manager.post(f"/segments/{made.pk}/versions/1/restore/"))
    manager.post(f"/segments/{made.pk}/delete/")
    assert "This can no longer be undone." in text(manager.post(f"/undo/{token}/", follow=True).content.decode())


def test_a_rule_whose_message_names_what_is_gone_is_not_restored_and_says_so(manager: Client) -> None:
    rule = save_alert_rule(None, name="Few licences", condition=FEW, segments=[])
    save_alert_rule(rule, name="Few licences", condition=FEW, segments=[], hold_days=3)
    AlertRule.objects.filter(pk=rule.pk).update(message="{{ account.gone }} fell")
    page = text(manager.post(f"/alerts/rules/{rule.pk}/versions/1/restore/", follow=True).content.decode())
    assert "Version 1 cannot be restored: The message names “account.gone”, and there is no such field." in page


def test_the_builder_says_what_saving_changes_elsewhere(manager: Client, company: Company) -> None:
    built = factories.segment("Built on it", {"segment": "large", "op": "in"})
    playbook({"kind": "delay", "days": 3}, segment=built, name="Grow")
    path = f"/segments/{company.segments['large'].pk}/edit/"
    form = opened(manager, path)
    part = text(send(manager, "/segments/preview/", form, n__0__value="9000").content.decode())
    assert "Saving also changes Built on it ▲ 0 join · ▼ 2 leave Used by playbook “Grow”" in part
    assert "2 accounts are in it now and stay" not in text(manager.get(path).content.decode()), "it is used"
    growth = text(manager.get(f"/segments/{company.segments['growth'].pk}/edit/").content.decode())
    assert "3 accounts are in it now and stay; nothing else uses it." in growth
