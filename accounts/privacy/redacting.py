"""Taking a person's name, e-mail and id out of free text."""

from __future__ import annotations

import re

from accounts.privacy.holdings import Subject

ERASED = "(erased)"
SHORTEST = 4  # shorter names and ids are found in too many words that mean something else


def erasable_texts(subject: Subject) -> list[str]:
    """What is looked for, the longest first; a text that stands in the replacement itself is left out."""
    found = {text.strip() for text in subject.texts if len(text.strip()) >= SHORTEST}
    return sorted((text for text in found if text.casefold() not in ERASED), key=len, reverse=True)


def redact(text: str, subject: Subject) -> str:
    """The text with every such place replaced, upper or lower case alike."""
    for wanted in erasable_texts(subject):
        text = re.sub(re.escape(wanted), ERASED, text, flags=re.IGNORECASE)
    return text
