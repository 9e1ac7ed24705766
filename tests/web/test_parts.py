"""Parts of pages, whose addresses are those of pages too, and what every page brings, which stays small."""

from __future__ import annotations

import gzip
import html
import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from django.contrib.staticfiles.finders import find
from django.test import Client
from django.urls import get_resolver, resolve

from tests.web.conftest import Company

NAMES_WHILE_TYPING = {"account_names"}  # what a field offers; nobody goes there
# Bytes, gzipped together, as the design allows them.
STYLES_OF_EVERY_PAGE, SCRIPTS_OF_A_PAGE = 14 * 1024, 10 * 1024
MANY_SCRIPTS = ("/jump/", "/accounts/", "/segments/new/", "/alerts/", "/alerts/rules/new/", "/playbooks/new/")


def test_the_address_of_every_part_is_that_of_a_whole_page(admin_client: Client, company: Company) -> None:
    """Back, a reload and a new tab ask for such an address without htmx, and would show a bare part."""
    account, segment = company.accounts["Birch"], company.segments["growth"]
    pages = ["/" + str(one.pattern) for one in get_resolver("web.urls").url_patterns if "<" not in str(one.pattern)]
    pages += [f"/accounts/{account.pk}/", f"/segments/{segment.pk}/edit/", f"/segments/{segment.pk}/members/"]
    asked: dict[str, str] = {}
    for address in pages:
        answer = admin_client.get(address)
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            for found in re.findall(r'hx-get="([^"]+)"', answer.content.decode()):
                part = urljoin(address, html.unescape(found))
                asked.setdefault(resolve(urlsplit(part).path).url_name or part, part)
    assert len(asked) > 10
    wrong = {}
    for name in asked.keys() - NAMES_WHILE_TYPING:
        answer = admin_client.get(asked[name])
        whole = answer.status_code == 200 and b"<html" in answer.content
        if not whole or "HX-Request" not in answer.get("Vary", ""):
            wrong[asked[name]] = (answer.status_code, answer.get("Vary", ""))
    assert wrong == {}


def test_the_sheets_of_every_page_and_the_scripts_of_any_stay_small(manager: Client) -> None:
    for address in MANY_SCRIPTS:
        page = manager.get(address).content.decode()
        scripts = _zipped(re.findall(r'<script src="/static/(web/[^"]+)"', page))
        assert 0 < scripts <= SCRIPTS_OF_A_PAGE, (address, scripts)
    styles = _zipped(
        re.findall(r'<link rel="stylesheet" href="/static/(web/[^"]+)"', manager.get("/jump/").content.decode())
    )
    assert 0 < styles <= STYLES_OF_EVERY_PAGE, styles


def _zipped(names: list[str]) -> int:
    """How many bytes these files have together once they are compressed."""
    return len(gzip.compress(b"".join(Path(str(find(name))).read_bytes() for name in names)))
