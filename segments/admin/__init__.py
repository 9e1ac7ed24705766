"""Segments and the runs that refreshed them in the back office: importing the modules registers their forms."""

from segments.admin.pins import PinAdmin
from segments.admin.runs import RefreshRunAdmin, SegmentRefreshAdmin, SegmentVersionAdmin
from segments.admin.segment import SegmentAdmin
from segments.holding.admin import HoldNoticeAdmin
from segments.levels.admin import LevelRuleAdmin

__all__ = [
    "HoldNoticeAdmin",
    "LevelRuleAdmin",
    "PinAdmin",
    "RefreshRunAdmin",
    "SegmentAdmin",
    "SegmentRefreshAdmin",
    "SegmentVersionAdmin",
]
