"""Colleagues that a text names with an @, by their key: “@lucas, can you call them?”."""

from __future__ import annotations

import re

from accounts.models import Mention, Note, TeamMember

MOST = 20
# Not within a word, so that an e-mail address names nobody.
_NAMED = re.compile(r"(?<![\w@.+-])@([A-Za-z0-9_-]{1,80})")


def members_in(text: str) -> list[TeamMember]:
    """Active colleagues whom a text names, each once, at most 20."""
    keys = list(dict.fromkeys(key.lower().rstrip("-") for key in _NAMED.findall(text)))[:MOST]
    if not keys:
        return []
    return list(TeamMember.objects.filter(key__in=keys, user__is_active=True).order_by("pk"))


def keep_mentions(note: Note) -> None:
    """Keep whom a note names, in the transaction that stores it. Who was told already is not told again; who is not
    named any more is forgotten. Its author is not told."""
    named = [member for member in members_in(note.text) if member.pk != note.author_id]
    note.mentions.exclude(member__in=named).delete()
    Mention.objects.bulk_create([Mention(note=note, member=member) for member in named], ignore_conflicts=True)
