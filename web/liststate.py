"""The state of a list is its address: segment, filters, CSM, search, sort, page and columns as query parameters.

Empty parameters are left out and the order is fixed, so that the same state always has the same address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from core.intake import BadValue, clean_text
from web.pages import page_number

PAGE_SIZE, LAST_PAGE, COUNT_CAP = 50, 100, 10_000
# What the address of each list may say, by the name of its page.
ALL = {"segment", "q", "sort", "page", "cols"}
KNOWN = {"accounts": ALL | {"f", "csm"}, "subscriptions": ALL | {"csm", "status"}, "users": ALL | {"f"}}
MAX_FILTERS, MAX_SEARCH = 20, 200


@dataclass(frozen=True)
class ListState:
    """What a list shows. `filters` are rule nodes as JSON text, one a chip; `cols` is None unless the link has it."""

    path: str
    segment: str = ""
    filters: tuple[str, ...] = ()
    csm: str = ""
    status: str = ""
    q: str = ""
    sort: str = ""
    page: int = 1
    cols: tuple[str, ...] | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """The parameters that say something, in their fixed order."""
        single = [("segment", self.segment), *(("f", item) for item in self.filters), ("csm", self.csm)]
        single += [("status", self.status), ("q", self.q), ("sort", self.sort)]
        single += [("page", str(self.page) if self.page > 1 else "")]
        single += [("cols", ",".join(self.cols) if self.cols is not None else "")]
        return [(name, value) for name, value in single if value]

    @property
    def query(self) -> str:
        """The query string without its question mark."""
        return urlencode(self.pairs())

    @property
    def url(self) -> str:
        """The address of exactly this state."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def but(self, **changes: Any) -> ListState:
        """The same list with something else; anything but the page itself begins at page 1."""
        return replace(self, **({"page": 1} | changes))

    def without_filter(self, place: int) -> ListState:
        """The same list without its n-th chip."""
        return self.but(filters=self.filters[:place] + self.filters[place + 1 :])

    @property
    def narrowed(self) -> bool:
        """True if anything narrows the list within its segment."""
        return bool(self.filters or self.csm or self.status or self.q)

    def carried(self, *leave: str) -> list[tuple[str, str]]:
        """The parameters that a form must carry as hidden inputs, without those it has inputs for."""
        return [(name, value) for name, value in self.pairs() if name not in {*leave, "page"}]


def state_of(data: QueryDict, name: str, also: Iterable[str] = ()) -> tuple[ListState, list[str]]:
    """The state of the list with this name that a query string or a form says, and what it does not know of it; `also`
    are parameters that belong to the form itself."""
    known = KNOWN[name]
    bad = sorted(item for item in data if item not in known | set(also))
    q = ""
    try:
        q = clean_text(data.get("q", ""), MAX_SEARCH)
    except BadValue:
        bad.append("q")
    cols = data.get("cols")
    filters = data.getlist("f") if "f" in known else []
    return (
        ListState(
            path=reverse(name),
            segment=_word(data, "segment"),
            filters=tuple(item[:5_000] for item in filters if item)[:MAX_FILTERS],
            csm=_word(data, "csm") if "csm" in known else "",
            status=_word(data, "status") if "status" in known else "",
            q=q,
            sort=_word(data, "sort"),
            page=page_number(data.get("page"), LAST_PAGE),
            cols=tuple(item for item in cols.split(",") if item)[:20] if cols else None,
        ),
        [item[:60] for item in bad],
    )


def around(request: HttpRequest, state: ListState) -> dict[str, Any]:
    """What the templates of every list need of its state: what forms carry on, and where links around the list lead.

    `reordered` is whether a head, the menu that sorts or the pager asked; the answer says the order, not the number.
    """
    return {
        "state": state,
        "carried": state.carried("q"),
        "columns_carried": [("next", state.url)],
        "without_q": state.but(q="").url,
        "without_csm": state.but(csm="").url,
        "reordered": request.headers.get("HX-Trigger", "").startswith(("sort-", "page-")),
    }


def _word(data: Mapping[str, str], name: str) -> str:
    return data.get(name, "").replace("\x00", "")[:120]


@dataclass(frozen=True)
class Pager:
    """Where in a list the page lies. `total` is exact unless `more`, which says that there are over 10,000."""

    page: int
    total: int
    more: bool
    has_next: bool
    previous_url: str
    next_url: str

    @property
    def pages(self) -> int:
        """How many pages can be opened."""
        return min(LAST_PAGE, max(1, -(-self.total // PAGE_SIZE)))

    @property
    def capped(self) -> bool:
        """True if rows lie behind the last page that can be opened."""
        return self.more or self.total > PAGE_SIZE * LAST_PAGE

    @property
    def at_once(self) -> int:
        """How many of the list something may be done to at once, the first of it."""
        return min(self.total, COUNT_CAP)

    @property
    def beyond(self) -> bool:
        """True if there are more."""
        return self.more or self.total > COUNT_CAP


def pager(state: ListState, total: int, has_next: bool) -> Pager:
    """The pager of a state."""
    further = has_next and state.page < LAST_PAGE
    return Pager(
        page=state.page,
        total=min(total, COUNT_CAP) if state.narrowed else total,
        more=state.narrowed and total > COUNT_CAP,
        has_next=further,
        previous_url=state.but(page=state.page - 1).url if state.page > 1 else "",
        next_url=state.but(page=state.page + 1).url if further else "",
    )
