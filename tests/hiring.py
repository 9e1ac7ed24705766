"""Workers in processes of their own, to be killed at any moment: forked quickly by a process that has no connection."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

from tests.conftest import ROOT

_FOREMAN = """
import os, signal, sys
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django
django.setup()
{imports}
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        {work}
        os._exit(0)
    print(child, flush=True)
"""


@contextmanager
def hiring(imports: str, work: str, **environment: str) -> Iterator[Callable[[], int]]:
    """A function that starts a worker, which does the work (one line of Python) and ends; it returns its id."""
    code = _FOREMAN.format(imports=imports, work=work)
    command = [sys.executable, "-c", code, str(connection.settings_dict["NAME"])]
    given = os.environ | {"DJANGO_SETTINGS_MODULE": "csbox.settings"} | environment
    with subprocess.Popen(
        command, cwd=ROOT, env=given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as foreman:
        assert foreman.stdin and foreman.stdout
        hands, answers = foreman.stdin, foreman.stdout

        def start() -> int:
            hands.write("go\n")
            hands.flush()
            return int(answers.readline())

        yield start
        hands.close()
