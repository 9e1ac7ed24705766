"""The manual, which lies beside the application as Markdown, as pages of the application."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

DOCS = Path(settings.BASE_DIR) / "docs"
CONTENTS = re.compile(r"^## The manual\n(.+?)(?=^## )", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"\A# (.+)\n")
ELSEWHERE = ("http://", "https://", "mailto:", "#")


@dataclass(frozen=True)
class Chapter:
    """A page of the manual: its title, and the rest as HTML."""

    title: str
    html: SafeString


@cache
def contents() -> SafeString:
    """The table of all chapters, which stands in README.md; nothing where the application came without it."""
    readme = DOCS.parent / "README.md"
    found = CONTENTS.search(readme.read_text(encoding="utf-8")) if readme.exists() else None
    return _html(found[1], "The manual") if found else SafeString()


def chapter(name: str) -> Chapter | None:
    """The chapter of this name (a slug, as the files are called); None if there is none."""
    return _read(name) if name in _names() else None


@cache
def _names() -> frozenset[str]:
    return frozenset(path.stem for path in DOCS.glob("*.md"))


@cache
def _read(name: str) -> Chapter:
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    title = TITLE.match(text)
    words = title[1] if title else name
    return Chapter(words, _html(text[title.end() :] if title else text, words))


def _html(text: str, title: str) -> SafeString:
    """Markdown as HTML; what is written as HTML stays text, and nothing carries a style, which our policy forbids."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    tables = 0
    for place, token in enumerate(tokens):
        token.attrs.pop("style", None)
        if token.type == "heading_open":
            token.attrSet("id", _anchor(tokens[place + 1].content))
        if token.type == "table_open":
            tables += 1
            token.meta["label"] = f"{title}, table {tables}, scrolls sideways"
        token.children = list(_linked(token.children or ()))
    markdown.add_render_rule("table_open", _table_open)
    markdown.add_render_rule("table_close", lambda *_: "</table></div>")
    return mark_safe(markdown.renderer.render(tokens, markdown.options, {}))  # noqa: S308 - our own files, escaped


def _linked(parts: Iterable[Token]) -> Iterator[Token]:
    """With links that lead somewhere from here; of those to other files only the words."""
    leads = True
    for part in parts:
        if part.type == "link_open":
            address = _address(str(part.attrGet("href") or ""))
            part.attrSet("href", address)
            leads = bool(address)
        if leads or not part.type.startswith("link_"):
            yield part


def _table_open(renderer: object, tokens: Sequence[Token], at: int, *_: object) -> str:
    """A wide table scrolls by itself, by keyboard too."""
    label = tokens[at].meta["label"].replace('"', "&quot;")
    return f'<div class="tablewrap" role="region" aria-label="{label}" tabindex="0"><table class="table fits">'


def _anchor(title: str) -> str:
    """What links name a heading by: small letters, blanks as hyphens, other signs left out."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _address(target: str) -> str:
    """Links between the files are links between the pages; to what is no page of the manual there is none ("")."""
    if target.startswith(ELSEWHERE):
        return target
    path, _, heading = target.partition("#")
    name = path.removeprefix("docs/").removeprefix("./").removesuffix(".md")
    if not path.endswith(".md") or name not in _names():
        return ""
    return reverse("help_page", args=[name]) + (f"#{heading}" if heading else "")
