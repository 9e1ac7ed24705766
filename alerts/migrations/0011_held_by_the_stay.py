"""When an alert was last found to hold is read from the stay in its rule's watch, and not written every day."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    """The column goes; nothing read it."""

    dependencies: ClassVar[list[tuple[str, str]]] = [("alerts", "0010_comparisons")]

    operations: ClassVar[list[object]] = [migrations.RemoveField(model_name="alert", name="seen_at")]
