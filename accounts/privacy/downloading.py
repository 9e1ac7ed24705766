"""Handing out the file of an export."""

from __future__ import annotations

from django.db.models import F
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header

from accounts.models import DataExport
from accounts.privacy.exporting import read_export


def download(export: DataExport) -> StreamingHttpResponse | None:
    """The file, counted as downloaded; None while it is not ready and after its time. Its name tells nobody's name."""
    now = timezone.now()
    there = DataExport.objects.filter(pk=export.pk, state=DataExport.State.READY, expires_at__gt=now)
    if not there.update(downloads=F("downloads") + 1):
        return None
    response = StreamingHttpResponse(read_export(export), content_type="application/zip")
    response["Content-Length"] = str(export.size)
    name = f"csbox-{export.kind}-{export.digest[:8]}.zip"
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response
