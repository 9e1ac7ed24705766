"""The form of a segment in the back office: the dashboard's rule builder, and what editing refuses said in the form."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.fields import Subject, vocabulary
from core.intake import BadValue, NameTaken
from core.versions import Stale
from segments.editing import SegmentInUse, save_segment
from segments.models import Segment
from segments.rule_form import read_form, take_step
from segments.rule_widget import RuleField, RuleWidget
from segments.rules.tree import RuleError


class SteppingWidget(RuleWidget):
    """The builder where scripts are off: a step (add, remove, move) posts the form and comes back, nothing saved."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """The tree after the step that was asked for, if any."""
        step = data.get("do", "")
        if not step:
            return super().value_from_datadict(data, files, name)
        words = vocabulary().about(self.subject)
        tree, places = read_form(data, words, name)
        take_step(tree, places, step, words)
        return tree


class SegmentForm(forms.ModelForm):
    """A segment as it is edited; `from_version` is the one that the editor started from."""

    rule = RuleField(required=False)
    reason = forms.CharField(max_length=255, required=False, help_text="Why it changes; kept with the version.")
    from_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Segment
        fields: ClassVar[list[str]] = ["name", "description", "subject", "visible", "active", "rule"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget = self.fields["rule"].widget = SteppingWidget()
        said = self.instance.subject if self.instance.pk else self.data.get("subject") or self.initial.get("subject")
        widget.subject = Subject.USER if said == Subject.USER else Subject.ACCOUNT
        widget.subject_elsewhere = not self.instance.pk
        if not self.instance.pk:
            self.fields["subject"].required = False  # accounts, unless users are asked for
        if self.instance.pk:
            self.fields["from_version"].initial = self.instance.version
            self.initial["from_version"] = self.instance.version

    def clean(self) -> dict[str, Any]:
        """Try the whole save and take it back, so that what editing refuses is said in the form."""
        cleaned = super().clean() or self.cleaned_data
        if self.data.get("do"):
            self.add_error(None, "The condition is changed below. Nothing is saved yet.")
        if not self.errors:
            try:
                with transaction.atomic():
                    self.store(author=None)
                    transaction.set_rollback(True)
            except (RuleError, NameTaken, BadValue, SegmentInUse, Stale) as error:
                self.add_error(*_place_of(error))
        return cleaned

    def store(self, *, author: Any) -> Segment:
        """Save through the one way in which segments change."""
        data = self.cleaned_data
        return save_segment(
            Segment.everything.get(pk=self.instance.pk) if self.instance.pk else None,
            name=data["name"],
            rule=data["rule"],
            description=data["description"],
            visible=data["visible"],
            active=data["active"],
            subject=self.instance.subject if self.instance.pk else data["subject"] or Segment.Subject.ACCOUNT,
            reason=data.get("reason", ""),
            author=author,
            expected_version=data.get("from_version") if self.instance.pk else None,
        )

    def validate_constraints(self) -> None:
        """Names are compared by `segments.editing`, which says so at the field."""


def _place_of(error: Exception) -> tuple[str | None, ValidationError]:
    if isinstance(error, RuleError):
        return "rule", ValidationError([problem.message for problem in error.problems[:5]])
    if isinstance(error, SegmentInUse):
        return "active", ValidationError(str(error))
    if isinstance(error, Stale):
        text = f"{error} Open the form again to see it; what you typed is still below."
        return None, ValidationError(text)
    return "name", ValidationError(str(error))
