"""Every address of the application, put together here and nowhere else."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from core import health

handler400 = "web.views.refused.bad_request"
urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("csbox.api")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("workerz", health.workerz, name="workerz"),
    path("", include("integrations.tracking.urls")),
    path("", include("web.urls")),
]
