"""Rules of account levels in the back office, with the same rule builder as in the dashboard."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from core.backoffice import BackOffice
from segments.levels.deciding import read_level_rule, remove_level_rule, save_level_rule
from segments.levels.models import LevelRule
from segments.questions import Reader
from segments.rule_widget import RuleField
from segments.rules.tree import RuleError


class LevelRuleForm(forms.ModelForm):
    """A level's rule, checked as everywhere else."""

    rule = RuleField(required=False)

    class Meta:
        model = LevelRule
        fields: ClassVar[list[str]] = ["level", "rule", "active"]

    def clean_rule(self) -> Any:
        """The rule, without what a level cannot ask."""
        try:
            read_level_rule(self.cleaned_data["rule"], Reader.now())
        except RuleError as error:
            raise ValidationError([problem.message for problem in error.problems]) from error
        return self.cleaned_data["rule"]


@admin.register(LevelRule)
class LevelRuleAdmin(BackOffice):
    """Which accounts have which level, the highest level first."""

    form = LevelRuleForm
    list_display = ("level", "active", "decided_at", "error")
    list_select_related = ("level",)
    list_filter = ("active",)
    search_fields = ("level__name", "error")
    readonly_fields = ("error", "decided_at", "author")
    page_name = "level_edit"
    page_key = "level_id"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The level of a rule never changes."""
        return (*self.readonly_fields, "level") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save through the one way in which these rules change."""
        obj.pk = save_level_rule(obj.level, rule=obj.rule, active=obj.active, author=request.user).pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Take the rule away and decide anew."""
        remove_level_rule(obj.level)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[LevelRule]) -> None:
        """One by one."""
        for rule in queryset:
            remove_level_rule(rule.level)
