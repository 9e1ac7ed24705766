"""Say why a user is in a segment of users, or why not, on the command line."""

from __future__ import annotations

from accounts.fields import Subject
from segments.management.commands import explain_account
from segments.subjects import ABOUT


class Command(explain_account.Command):
    """`manage.py explain_user EXTERNAL_ID [SEGMENT_KEY ...]`: every segment of users, or the named ones, in each of the
    user's accounts."""

    help = "Say for each segment of users why a user is in it, and in which of their accounts, or why not."
    about = ABOUT[Subject.USER]
    path = "user__external_id"
