"""What a page asks for while somebody types: the newest asking ends the older ones that still count for it."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext

from django.http import HttpRequest

from core.superseding import newest


def newest_asked(request: HttpRequest, kind: str) -> AbstractContextManager[None]:
    """The preview of one editor in one window ends the older ones in the database; a form without scripts has one at a
    time. `kind` (seven letters at most) tells pages apart. Raises Superseded inside."""
    window, asked = request.POST.get("preview-window", ""), request.POST.get("preview-asked", "")
    if not (re.fullmatch(r"[a-f0-9]{12}", window) and re.fullmatch(r"[0-9]{1,16}", asked)):
        return nullcontext()
    return newest(f"{kind}.{request.user.pk}.{window}", int(asked))
