"""Every page, light and wide, dark and narrow: no serious finding of axe, no complaint, nothing off the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from accounts.models import Account, AttributeDefinition, EndUser, TeamMember
from health.editing import save_config
from health.models import HealthConfig
from health.refresh import refresh_health
from health.stock import DEFAULT
from segments.models import Segment
from tests import factories
from tests.browser.conftest import WIDE, until
from tests.browser.judging import SETTLED, findings, walked

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

REFUSED = (
    "alert rule new",
    "milestone new",
    "playbook new",
    "segment new",
    "health start",
    "health limits",
    "feeds",
    "imports",
    "import new",
    "schedule new",
    "trait new",
    "health config new",
    "health back-test",
)
CSM_STATUS = {"missing": 404} | dict.fromkeys(REFUSED, 403)
PAGES = {
    "accounts": "/accounts/",
    "accounts filtered": "/accounts/?segment=growth-plan&sort=renews_on"
    '&f={"field":"account.mrr","op":"at_least","value":1}',
    "accounts empty": "/accounts/?q=zenith",
    "filter": "/accounts/filter/?n.0.field=account.plan",
    "columns": "/accounts/columns/",
    "subscriptions": "/subscriptions/",
    "subscriptions, all columns": "/subscriptions/?cols=plan,status,mrr,licences,billing_period,starts_on,"
    "renews_on,auto_renew,ends_on,trial_starts_on,trial_ends_on,status_type,external_id",
    "subscription columns": "/subscriptions/columns/",
    "users": "/users/",
    "users of a segment": "/users/?segment=champion-people&col=user.last_seen_at",
    "users filter": "/users/filter/?n.0.field=user.email",
    "segments": "/segments/",
    "segment new": "/segments/new/",
    "segment gallery": "/segments/gallery/",
    "levels": "/levels/",
    "traits": "/traits/",
    "trait new": "/traits/new/",
    "segment check": "/segments/check/",
    "segment overlap": "/segments/overlap/",
    "feeds": "/feeds/",
    "health": "/health/",
    "health start": "/health/start/",
    "health limits": "/health/start/?for=stage:onboarding",
    "health trend": "/health/trend/",
    "health overrides": "/health/overrides/",
    "health config new": "/health/configs/new/",
    "back-tests": "/health/back-tests/",
    "portfolio": "/portfolio/?who=everybody",
    "alerts": "/alerts/",
    "alert rules": "/alerts/rules/",
    "alert rule new": "/alerts/rules/new/",
    "alert gallery": "/alerts/rules/gallery/",
    "milestones": "/milestones/",
    "milestone new": "/milestones/new/",
    "tasks": "/tasks/",
    "task calendar": "/tasks/calendar/",
    "playbooks": "/playbooks/",
    "playbook new": "/playbooks/new/",
    "notifications": "/notifications/",
    "notification settings": "/notifications/settings/",
    "imports": "/imports/",
    "import new": "/imports/new/",
    "schedule new": "/imports/schedules/new/",
    "jump": "/jump/?q=a",
    "help": "/help/",
    "help page": "/help/deploy/",
    "missing": "/nowhere/",
}


def addresses() -> dict[str, str]:
    """Every page of the dashboard."""
    account, segment = Account.objects.get(name="Account 03"), Segment.objects.get(name="Champions")
    person, config = _person_of_many_segments(), _scored()
    return PAGES | {
        "account": f"/accounts/{account.pk}/?from=sort%3Dname",
        "user": f"/users/{person.pk}/",
        "segment edit": f"/segments/{segment.pk}/edit/",
        "segment members": f"/segments/{segment.pk}/members/",
        "segment versions": f"/segments/{segment.pk}/versions/",
        "segment recipients": f"/segments/{segment.pk}/recipients/",
        "segment pins": f"/segments/{segment.pk}/pins/",
        "account segments": f"/accounts/{account.pk}/segments/",
        "health config": f"/health/configs/{config.pk}/",
        "health versions": f"/health/configs/{config.pk}/versions/",
        "health back-test": f"/health/configs/{config.pk}/back-test/",
    }


def _scored() -> HealthConfig:
    """The default config, and the scores that it gives, so that pages of health have something to show."""
    config = save_config(None, name="", definition=DEFAULT)
    refresh_health()
    return config


def _person_of_many_segments() -> EndUser:
    """A user with an attribute, who is in one segment of users and not in another."""
    person: EndUser = EndUser.objects.get(name="Person 03")
    if not Segment.objects.filter(name="Champion people").exists():
        AttributeDefinition.objects.create(subject="user", key="language", name="Preferred language", kind="text")
        EndUser.objects.filter(pk=person.pk).update(attributes={"language": "Welsh"})
        champion = {"field": "relationship.role", "op": "is", "value": "champion"}
        factories.segment("Champion people", champion, subject="user")
        factories.segment("People without a title", {"field": "user.title", "op": "is_not_set"}, subject="user")
    return person


# What a page lacks for those without scripts. Lines of text come back, none where nothing is wrong.
_WITHOUT_SCRIPTS = """() => {
  const main = document.querySelector("main"), wrong = [];
  const all = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
  const told = (one) => one.id || (one.getAttribute("aria-label") || one.innerText || one.outerHTML).slice(0, 80);
  const says = (one) => one.innerText.trim() || one.querySelector("input, select, textarea, svg[aria-label], img");
  if (!main) return ["no main part"];
  const titles = all("h1");
  if (titles.length !== 1 || !titles[0].innerText.trim()) wrong.push(`${titles.length} titles`);
  if (main.innerText.trim().length <= (titles[0]?.innerText.trim().length ?? 0)) wrong.push("nothing but a title");
  const parts = "main section, main [role=region], main .card, main [hx-trigger*=load], main [hx-trigger*=revealed]";
  for (const one of all(parts)) if (!says(one)) wrong.push(`empty: ${told(one)}`);
  for (const one of all("a")) if (!one.getAttribute("href")) wrong.push(`leads nowhere: ${told(one)}`);
  for (const one of all("button")) {
    const works = one.hasAttribute("popovertarget") || (one.form && one.type !== "button");
    if (!works && !one.disabled) wrong.push(`does nothing: ${told(one)}`);
  }
  for (const one of all("form")) {
    const seen = [...one.elements].filter((each) => each.checkVisibility());
    const fields = seen.filter((each) => each.matches("input, select, textarea"));
    const sends = seen.some((each) => each.type === "submit");
    const enter = fields.length === 1 && fields[0].matches("input:not([type=checkbox], [type=radio], [type=file])");
    if (fields.length && !sends && !enter) wrong.push(`cannot be sent: ${told(one)}`);
  }
  return wrong;
}"""


def test_no_page_has_a_finding_leaves_its_width_or_loads_from_elsewhere(
    context_for: Callable[..., BrowserContext], trouble: list[str], site: str
) -> None:
    page = context_for(viewport=WIDE, color_scheme="light").new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    assert walked(page, addresses()) == {}
    assert asked and all(url.startswith(site) or url.startswith("data:") for url in asked)
    assert [line for line in trouble if "404" not in line] == []


def test_every_page_can_be_read_and_used_without_scripts(context_for: Callable[..., BrowserContext]) -> None:
    page = context_for(java_script_enabled=False, viewport=WIDE).new_page()
    wrong = {}
    for name, address in addresses().items():
        page.goto(address)
        if found := page.evaluate(_WITHOUT_SCRIPTS):
            wrong[name] = found
    assert not wrong


def test_what_the_check_without_scripts_complains_of(context_for: Callable[..., BrowserContext]) -> None:
    page = context_for(java_script_enabled=False, viewport=WIDE).new_page()
    page.set_content(
        "<main><h1>A page</h1><section id='later'></section><a>On</a><button type='button'>Open</button>"
        "<form id='choice'><select><option>1</select></form><form><input name='q'></form></main>"
    )
    assert page.evaluate(_WITHOUT_SCRIPTS) == [
        "empty: later",
        "leads nowhere: On",
        "does nothing: Open",
        "cannot be sent: choice",
    ]
    page.set_content("<main><h1>A page</h1></main>")
    assert page.evaluate(_WITHOUT_SCRIPTS) == ["nothing but a title"]


def test_open_states_have_no_finding(page: Page) -> None:
    Segment.objects.filter(name="Champions").update(visible=True)  # with a fourth tab there is a menu of all
    states = {
        "columns": ("a[data-popover=columns]", "#columns:popover-open"),
        "filter": ("#add-filter", "#filter-pop:popover-open"),
        "all segments": ("[popovertarget=all-segments]", "#all-segments:popover-open"),
        "selection": ("[name=account]", "#bulk:not(.is-idle)"),
        "shortcuts": ("[data-keys]", "#keys-dialog[open]"),
    }
    wrong = {}
    for name, (control, opened) in states.items():
        page.goto("/accounts/?cols=" + ",".join(["plan", "mrr"]))
        page.locator(control).first.click()
        page.locator(opened).wait_for()
        until(page, f"!document.getAnimations().length && {SETTLED}")
        if found := findings(page):
            wrong[name] = found
    page.goto("/accounts/?sort=name")
    page.locator("[popovertarget=all-segments]").click()
    page.locator("#all-segments").get_by_role("link", name="Champions 4").click()
    page.wait_for_url("**/accounts/?segment=champions&sort=name")
    assert page.locator("#rows tr").count() == 4
    page.goto("/segments/new/")
    page.locator("#add-n").click()
    page.wait_for_selector("#picker:popover-open")
    if found := findings(page):
        wrong["picker"] = found
    assert not wrong


def test_a_csm_may_read_the_same_pages(context_for: Callable[..., BrowserContext]) -> None:
    context = context_for(TeamMember.Access.CSM)
    found = {name: context.request.get(address).status for name, address in addresses().items()}
    assert found == {name: CSM_STATUS.get(name, 200) for name in found}


def test_the_log_in_has_no_finding(browser: object, site: str, context_for: Callable[..., BrowserContext]) -> None:
    context = context_for()
    context.clear_cookies()
    page = context.new_page()
    page.goto("/login/")
    assert findings(page) == []
    page.fill("#id_username", "nobody")
    page.fill("#id_password", "wrong")
    page.get_by_role("button", name="Sign in").click()
    page.locator("#login-error").wait_for()
    assert findings(page) == []
