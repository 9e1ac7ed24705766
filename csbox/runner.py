"""What manage.py runs inside the environment: Django's command line, with plain words for the failures of a machine."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def end_in_order(number: int, frame: FrameType | None) -> None:
    """A command that is told to end leaves as usual, so that the last one stops the embedded database."""
    sys.exit(128 + number)


def run_command(argv: list[str]) -> int:
    """Run one management command; a full disk, a refused file or an absent server is answered in one sentence."""
    from django.core.management import execute_from_command_line

    from core.failures import plain_words

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has its say
            signal.signal(number, end_in_order)
    try:
        execute_from_command_line(argv)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sentence = plain_words(error)
        if sentence is None or "--traceback" in argv:
            raise
        print(sentence, file=sys.stderr)
        return 1
    return 0
