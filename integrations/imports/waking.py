"""What the tick asks of imports: wake whatever is due."""

from __future__ import annotations

from django.utils import timezone

from core.jobs import enqueue
from integrations.imports import running, scheduling
from integrations.models import Import


def wake_imports() -> None:
    """Once a minute: imports that wait or lost their worker, schedules whose time has come, files whose time is up."""
    for pk in running.due().order_by("next_attempt_at").values_list("pk", flat=True)[:20]:
        enqueue(running.TASK, pk)
    for pk in scheduling.due_schedules()[:20]:
        enqueue(scheduling.TASK, pk)
    old = Import.objects.exclude(stored="").filter(file_until__lt=timezone.now())
    if old.exclude(state__in=Import.WORKING).exists():
        enqueue("integrations.tasks.forget_old_files")
