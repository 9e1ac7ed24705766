"""Accounts in stored reports: kept by primary key, shown by external id, to those who may see them."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from accounts.models import Account
from core.api.reports import ProgressSerializer


class ReportOfAccounts(ProgressSerializer):
    """A record with its report, which is empty until it is done. The rows of its `lists` begin with an account, which
    stands there by its external id; rows of accounts that the reader may not see are left out."""

    lists: ClassVar[tuple[str, ...]]
    report = serializers.SerializerMethodField()

    def get_report(self, record: Any) -> dict[str, Any]:
        """The report as it was stored, with ids that a caller knows."""
        report = dict(record.report)
        if not report:
            return {}
        rows = {row[0] for name in self.lists for row in report.get(name, ())}
        seen = Account.objects.visible_to(self.context["request"].user).order_by().filter(pk__in=rows)
        ids = dict(seen.values_list("pk", "external_id"))
        shown = {name: [[ids[r[0]], *r[1:]] for r in report.get(name, ()) if r[0] in ids] for name in self.lists}
        return report | shown
