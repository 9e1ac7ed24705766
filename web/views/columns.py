"""Choose the columns of Accounts 360 and of Subscription 360; kept with the person, not in the address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.fields import Vocabulary, vocabulary
from web import subscription_columns as of_subscriptions
from web.columns import Column, all_columns, chosen_columns, column_groups, standard_columns
from web.liststate import state_of
from web.notices import back_to, notify
from web.pages import page
from web.preferences import MAX_COLUMNS, read_preferences, write_preferences


@dataclass(frozen=True)
class Chooser:
    """A list whose columns can be chosen: the name of its page, which is also that of the preference, what the page is
    called, every column there is, and the keys of the standard ones."""

    name: str
    title: str
    available: Callable[[Vocabulary], dict[str, Column]]
    standard: Callable[[dict[str, Column]], Sequence[str]]


ACCOUNTS = Chooser("accounts", "Accounts 360", all_columns, standard_columns)
SUBSCRIPTIONS = Chooser(
    "subscriptions", "Subscription 360", of_subscriptions.subscription_columns, lambda _: of_subscriptions.DEFAULT
)


@login_required
@require_http_methods(["GET", "POST"])
def accounts_columns(request: HttpRequest) -> HttpResponse:
    """The columns of Accounts 360."""
    return _choose(request, ACCOUNTS)


@login_required
@require_http_methods(["GET", "POST"])
def subscriptions_columns(request: HttpRequest) -> HttpResponse:
    """The columns of Subscription 360."""
    return _choose(request, SUBSCRIPTIONS)


def _choose(request: HttpRequest, chooser: Chooser) -> HttpResponse:
    available, path = chooser.available(vocabulary()), reverse(chooser.name)
    back = back_to(request, path)
    came_from, _, query = back.partition("?")
    kept = read_preferences(request).columns
    if request.method == "POST":
        chosen = [key for key in dict.fromkeys(request.POST.getlist("col")) if key in available]
        if request.POST.get("reset") or not chosen:
            kept.pop(chooser.name, None)
            notify(request, "Standard columns shown.")
        else:
            kept[chooser.name] = chosen[:MAX_COLUMNS]
            more = f" At most {MAX_COLUMNS} fit." if len(chosen) > MAX_COLUMNS else ""
            notify(request, f"{len(kept[chooser.name])} columns shown.{more}")
        write_preferences(request, columns=kept)
        state, _ = state_of(QueryDict(query), chooser.name)
        return HttpResponseRedirect(state.but(cols=None, page=state.page).url if came_from == path else back)
    columns = chosen_columns(available, kept.get(chooser.name), chooser.standard(available))
    state, _ = state_of(QueryDict(query), chooser.name)
    context = {
        "columns": columns,
        "columns_url": reverse(f"{chooser.name}_columns"),
        "groups": column_groups(available, columns),
        "columns_carried": [("next", state.url)],
        "list_title": chooser.title,
    }
    return page(request, "web/accounts/columns.html", context)
