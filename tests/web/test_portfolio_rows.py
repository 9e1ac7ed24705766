"""Portfolio's calendar of renewals, and the one thing that a row offers to do."""

from __future__ import annotations

import datetime as dt
import html
import re

import pytest
from django.test import Client

from accounts.models import Account
from alerts.models import Task
from alerts.work.doing import add_task
from core.clock import Moment, moment
from health.editing import save_config
from health.refresh import refresh_health
from tests.health.test_scores import by_number, only
from tests.web.conftest import Company
from tests.web.reading import names, text
from usage.models import AccountUsage

DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def _poor_alder(company: Company) -> None:
    """Alder fell from Good to Poor three days ago, Birch is Average; both renew in 30 days."""
    for name, before in (("Alder", 45), ("Birch", 25)):
        usage = {"active_users_30d": before, "last_seen_at": moment().now - DAY}
        AccountUsage.objects.update_or_create(account=Account.objects.get(name=name), defaults=usage)
    Account.objects.filter(name__in=["Alder", "Birch"]).update(renews_on=moment().today + DAY * 30)
    save_config(None, name="", definition=only(by_number("users", "account.active_users_30d", 50, 0)))
    refresh_health(now=Moment(moment().now - DAY * 40, moment().zone))
    AccountUsage.objects.filter(account__name="Alder").update(active_users_30d=5)
    refresh_health(now=Moment(moment().now - DAY * 3, moment().zone))
    refresh_health()


def test_renewals_by_month_are_those_of_the_weeks(manager: Client, company: Company) -> None:
    today = moment().today
    raw = manager.get("/portfolio/?who=everybody&renewals=month").content.decode()
    cells = re.findall(r'<td class="held"><a href="([^"]+)" aria-label="([^"]+)">.*?</svg>(\d+)</span>', raw)
    assert len(cells) == 1 and "Renewals by day" in text(raw)
    link, said, number = cells[0]
    day = today + DAY * 30
    assert said == f"{day.day} {day:%B}: 1 Poor, 1 Average, $9,500 MRR" and number == "2"
    assert sorted(names(manager.get(html.unescape(link)).content.decode())) == ["Alder", "Birch"]
    shown = re.findall(r"<caption><b>(\w+ \d+)</b> .*?(\d+) renewal", raw)
    assert shown[0][0] == f"{today:%B %Y}" and sum(int(one) for _, one in shown) == 2
    assert shown[-1][0] == f"{today + DAY * 90:%B %Y}"
    headers = {"HX-Request": "true", "HX-Target": "renewal-weeks"}
    part = manager.get("/portfolio/?who=everybody&renewals=month", headers=headers).content.decode()
    assert "<html" not in part and 'class="held"' in part and "Movers" not in part
    weeks = manager.get("/portfolio/?who=everybody", headers=headers).content.decode()
    assert 'class="held"' not in weeks and "Renewals by week" in text(weeks)


def test_a_row_has_one_action(manager: Client, company: Company) -> None:
    alder = company.accounts["Alder"]
    due = add_task(alder, "Call them", due_on=moment().today)
    raw = manager.get("/portfolio/?who=everybody").content.decode()
    offered = set(re.findall(rf'form="task-(\w+)" name="account_id" value="{alder.pk}"', raw))
    assert offered == {"changes", "care", "poor", "movers"}, offered
    form = raw[raw.index('id="task-care"') :].split("</form>")[0]
    sent = dict(re.findall(r'name="(next|due|title)" value="([^"]*)"', form))
    answer = manager.post("/tasks/add/", sent | {"account_id": alder.pk}, follow=True)
    assert answer.redirect_chain[0][0] == "/portfolio/?who=everybody#care"
    made = Task.objects.get(title="Prepare the renewal")
    assert (made.account, made.assignee, made.due_on) == (alder, company.manager, moment().today)
    after = answer.content.decode()
    assert "Task added" in text(after) and f'aria-label="Open task of Alder: {made.title}"' in after
    assert set(re.findall(rf'form="task-(\w+)" name="account_id" value="{alder.pk}"', after)) == offered - {"care"}
    assert f'form="task-done" name="one" value="{due.pk}"' in raw
    manager.post("/tasks/do/", {"one": due.pk, "next": "/portfolio/?who=everybody#due"})
    due.refresh_from_db()
    assert due.done_at is not None
