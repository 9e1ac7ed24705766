"""Custom attributes: what a company wants to know besides, and how each value came to be."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower


class Subject(models.TextChoices):
    """What a custom attribute (or a change) is about."""

    ACCOUNT = "account", "Account"
    USER = "user", "User"
    RELATIONSHIP = "relationship", "Relationship"
    SUBSCRIPTION = "subscription", "Subscription"


# Begins with a letter, because PostgreSQL would read a JSON key of digits as a place in an array.
KEY = RegexValidator(r"^[a-z][a-z0-9_]*$", "Use small letters, digits and _, beginning with a letter.")


class AttributeDefinition(models.Model):
    """A custom attribute of accounts, users, relationships or subscriptions: its name, its kind, its choices."""

    class Kind(models.TextChoices):
        """The kind decides operators, form controls and how a value is read."""

        TEXT = "text", "Text"
        NUMBER = "number", "Number"
        MONEY = "money", "Money"
        PERCENT = "percent", "Percent"
        BOOLEAN = "boolean", "Yes or no"
        DATE = "date", "Date"
        DATETIME = "datetime", "Date and time"
        CHOICE = "choice", "Choice"
        LIST = "list", "List"
        LINK = "link", "Link"

    subject = models.CharField(max_length=12, choices=Subject, default=Subject.ACCOUNT)
    key = models.CharField(
        max_length=60, validators=[KEY], help_text="Used in rules, files and the API; never changes."
    )
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind)
    choices = models.JSONField(default=list, blank=True, help_text="For a choice: the list of allowed values.")
    description = models.CharField(max_length=255, blank=True)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ("subject", "name", "id")
        constraints = [
            models.UniqueConstraint(Lower("key"), "subject", name="attribute_key_unique"),
            models.CheckConstraint(condition=~Q(key=""), name="attribute_has_key"),
            models.CheckConstraint(condition=Q(subject__in=Subject.values), name="attribute_subject_known"),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        "text",
                        "number",
                        "money",
                        "percent",
                        "boolean",
                        "date",
                        "datetime",
                        "choice",
                        "list",
                        "link",
                    ]
                ),
                name="attribute_kind_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_subject_display().lower()})"


class AttributeChange(models.Model):
    """One change of one value, never altered afterwards: what it was, what it became, when and from where."""

    subject = models.CharField(max_length=12, choices=Subject)
    object_id = models.BigIntegerField()
    key = models.CharField(max_length=80)
    old = models.JSONField(null=True)
    new = models.JSONField(null=True)
    at = models.DateTimeField(help_text="When the value became true, by the sender's clock.")
    source = models.CharField(max_length=80)
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-at", "-id")
        constraints = [
            models.CheckConstraint(condition=Q(subject__in=Subject.values), name="attribute_change_subject_known")
        ]
        indexes = [
            # "Changed in the last N days" and "was X on date D" of one row.
            models.Index(fields=["subject", "object_id", "key", "at"], name="attribute_change_of"),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.old} → {self.new}"
