"""Reads an answer as a person without scripts does: texts, links, and the fields that a form would send."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

from django.http import QueryDict


def names(html: str) -> list[str]:
    """The row headings of the page's first list, in order."""
    return [unescape(text) for text in re.findall(r'<th class="col-acct" scope="row".*?<a[^>]*>(.*?)</a>', html, re.S)]


def text(html: str) -> str:
    """The page's words, one space between them."""
    plain = re.sub(r"<(script|style|svg).*?</\1>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", plain))).strip()


class _Fields(HTMLParser):
    """Collects what a browser would send for the whole document."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.select: str | None = None
        self.chosen: str | None = None
        self.first: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Inputs at once, selects at their end."""
        given = dict(attrs)
        if tag == "input" and given.get("name"):
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                return
            self.found.append((str(given["name"]), given.get("value") or ""))
        elif tag == "select":
            self.select, self.chosen, self.first = given.get("name"), None, None
        elif tag == "option" and self.select:
            value = given.get("value") or ""
            self.first = value if self.first is None else self.first
            self.chosen = value if "selected" in given else self.chosen

    def handle_endtag(self, tag: str) -> None:
        """A select sends its chosen option, or its first."""
        if tag == "select" and self.select:
            self.found.append((self.select, self.chosen if self.chosen is not None else self.first or ""))
            self.select = None


def fields(html: str) -> QueryDict:
    """The fields as a form would send them, in the order of the page."""
    parser = _Fields()
    parser.feed(html)
    sent = QueryDict(mutable=True)
    for name, value in parser.found:
        sent.appendlist(name, value)
    return sent
