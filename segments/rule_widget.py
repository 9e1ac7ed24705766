"""The rule builder as a form field, so that the admin edits segments with what the dashboard has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from accounts.fields import Subject, vocabulary
from accounts.models import Account
from core.refusals import Problem
from segments.picker import catalogue
from segments.questions import Reader
from segments.rule_form import Tree, read_form, without_unset
from segments.rule_view import rule_view
from segments.rules.tree import RuleError


class RuleWidget(forms.Widget):
    """Renders the builder; its inputs are named by paths that begin with the field's own name."""

    template = "ui/_rule_widget.html"

    class Media:
        css = {"all": ("web/tokens.css", "web/components.css", "web/pages.css", "web/widget.css")}
        # The builder looks for its parts when it starts, so it must not start before they are there.
        js = (
            "web/early.js",
            forms.Script("django_htmx/htmx-2.min.js", defer=True),
            forms.Script("web/app.js", defer=True),
            forms.Script("web/builder.js", defer=True),
        )

    def __init__(self, attrs: Mapping[str, Any] | None = None) -> None:
        super().__init__(dict(attrs or {}))
        self.problems: list[Problem] = []
        self.subject = Subject.ACCOUNT
        self.subject_elsewhere = False  # True where the form has a field of its own for it

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """The builder with the tree, and the mistakes of the last submission at their places."""
        reader = Reader.now().about(self.subject)
        tree: Tree = value if isinstance(value, dict) and "rules" in value else {"match": "all", "rules": []}
        try:
            words = reader.read(tree).words
        except RuleError:
            words = ""
        context = {
            "rule": rule_view(tree, reader, root=name, problems=self.problems),
            "catalogue": catalogue(reader, Account.objects.live()),
            "words": words,
            "subject_elsewhere": self.subject_elsewhere,
        }
        return mark_safe(render_to_string(self.template, context))  # noqa: S308 - the template escapes

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """The tree that the inputs say."""
        tree, _ = read_form(data, vocabulary(), name)
        return without_unset(tree)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """True if the form had no builder at all."""
        return not any(key.startswith(f"{name}.") for key in data)

    def id_for_label(self, id_: str) -> str:
        """A group of controls has no single one to label."""
        return ""


class RuleField(forms.Field):
    """A rule; what is wrong with it is shown at its place and said once for the field."""

    widget = RuleWidget

    def clean(self, value: Any) -> Tree:
        """The tree as the parser accepts it. Raises ValidationError."""
        try:
            Reader.now().read(value, subject=getattr(self.widget, "subject", Subject.ACCOUNT))
        except RuleError as error:
            self.widget.problems = error.problems  # type: ignore[attr-defined]
            raise ValidationError([problem.message for problem in error.problems[:5]], code="rule") from error
        return value  # type: ignore[no-any-return]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """True if the trees differ."""
        return (initial or {}) != (data or {})
