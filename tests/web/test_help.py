"""Help, at the same place on every page: the manual as pages, whose links lead to each other."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from django.test import Client

from tests.web.conftest import Company

DOCS = sorted(path.stem for path in (Path(settings.BASE_DIR) / "docs").glob("*.md"))


def test_every_chapter_is_reached_and_its_links_lead_somewhere(manager: Client, company: Company) -> None:
    contents = manager.get("/help/").content.decode()
    assert set(DOCS) <= set(re.findall(r'href="/help/([\w-]+)/"', contents))
    pages = {name: manager.get(f"/help/{name}/").content.decode() for name in DOCS}
    for name, page in pages.items():
        body = page[page.index('<article class="card manual">') : page.index("</article>")]
        assert page.count("<h1") == 1 and "style=" not in body, name
        for target, heading in re.findall(r'href="(?:/help/([\w-]+)/)?#([^"]+)"', body):
            assert f'id="{heading}"' in pages[target or name], (name, target, heading)
        assert not re.findall(r'href="[^"#]*\.md', body), name
    assert manager.get("/help/nothing-of-this/").status_code == 404
    for name in ("..%2FREADME", "..%2F..%2Fpyproject", "n" * 5_000):
        assert manager.get(f"/help/{name}/").status_code == 404


def test_help_is_at_the_same_place_on_every_page(manager: Client, admin_client: Client, company: Company) -> None:
    for address in ("/accounts/", "/segments/new/", "/help/", "/help/rules/"):
        side = manager.get(address).content.decode().split('class="side-foot"')[1]
        assert side.index('href="/help/"') < side.index("</aside>")
    assert 'href="/help/"' in admin_client.get("/admin/").content.decode()
