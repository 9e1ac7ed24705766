"""Messages of the loader, which speak of the command line, in the words of the pages."""

from __future__ import annotations

import re

_WORDS = (
    (r"Say which: --date-format \S+", "Choose the date format on the mapping page."),
    (
        r"An older Windows file reads with --encoding cp1252\.",
        "Choose the encoding Windows (cp1252) for it.",
    ),
    (r"Try --encoding utf-16\.", "Choose the encoding UTF-16."),
    (r"Name it: --map COLUMN=\S+\.", "Choose a column for it."),
    (r"Leave one out with --map COLUMN= \.", "Leave one of them out."),
    (r"--new-attributes makes those that are missing\.", "Choose “New attribute” for its column."),
)


def on_screen(text: str) -> str:
    """The message for somebody who looks at a page."""
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    return text
