"""What a server of the WSGI kind loads."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "csbox.settings")
application = get_wsgi_application()
# Every view is loaded now, not by the first request. And all that stays loaded is out of the collector's sight: to walk
# it took a tenth of a second, in the middle of somebody's page.
get_resolver().url_patterns  # noqa: B018
gc.collect()
gc.freeze()
# A batch of messages is some ten thousand small objects, all of which live until its answer.
gc.set_threshold(50_000, 20, 50)
