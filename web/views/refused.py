"""The pages for requests that are refused before any view has read them, which say why, and how to go on."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Too large a form (413), a name of the server that is not ours, or (without words) an address of broken bytes."""
    words = _words(exception)
    status = 413 if isinstance(exception, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent) else 400
    context = {"status": status, "title": words[0], "why": words[1]} if words else {}
    # Without the request: what the pages' frame asks of it is just what could not be read.
    return HttpResponse(render_to_string("400.html", context), status=status)


def locked_out(request: HttpRequest, original_response: HttpResponse | None, credentials: object) -> HttpResponse:
    """Too many wrong passwords (429): for how long, and what whoever has forgotten theirs can do. django-axes asks."""
    pause = dt.timedelta(hours=settings.AXES_COOLOFF_TIME)
    why = (
        f"{settings.AXES_FAILURE_LIMIT} wrong passwords were entered with this user name from this network address. "
        f"Try again in {pause.seconds // 60} minutes; trying before that begins them anew. An administrator of csbox "
        "can give you a new password."
    )
    context = {"status": 429, "title": "Signing in is paused", "why": why}
    context |= {"way": request.get_full_path(), "way_label": "Back to Sign in"}
    response = HttpResponse(render_to_string("400.html", context), status=429)
    response["Retry-After"] = str(pause.seconds)
    return response


def _words(exception: Exception) -> tuple[str, str] | None:
    match exception:
        case RequestDataTooBig():
            most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20
            return "This is too large", f"A form may hold {most} MB. Nothing was changed; go back and shorten it."
        case TooManyFieldsSent():
            most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
            return "This is too much at once", f"A form may have {most:,} fields. Nothing was changed; go back."
        case TooManyFilesSent():
            most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
            return "These are too many files", f"A form may bring {most:,} files. Nothing was changed; go back."
        case DisallowedHost():
            why = "The administrator of csbox lists the names under which it answers in CSBOX_ALLOWED_HOSTS."
            return "csbox does not answer to this name", why
    return None
