"""E-mail: one connection for many messages. The Message-ID is made of the key, so that a repetition can be told."""

from __future__ import annotations

import contextlib
import smtplib
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMultiAlternatives, get_connection

from alerts.channels.base import Later, Message, Refused


class EmailSender:
    """Sends through the mail server of the settings."""

    def __init__(self) -> None:
        self.connection: Any = None

    def send(self, message: Message) -> None:
        """Send it once. Raises Later or Refused."""
        domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2] or "csbox"
        headers = {"Message-ID": f"<{message.key}@{domain}>", "Auto-Submitted": "auto-generated"}
        try:
            if self.connection is None:
                self.connection = get_connection()
                self.connection.open()
            mail = EmailMultiAlternatives(
                " ".join(message.title.split()), message.text, None, [message.to], headers=headers,
                connection=self.connection,
            )  # fmt: skip
            if message.html:
                mail.attach_alternative(message.html, "text/html")
            mail.send()
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if any(500 <= code < 600 for code in codes):
                raise Refused(f"The mail server does not take mail for {message.to}.", gone=True) from error
            raise Later(f"The mail server does not take mail for {message.to} now.", whole=False) from error
        except (BadHeaderError, ValueError) as error:
            raise Refused(f"The e-mail could not be made: {error}.") from error
        except OSError as error:  # smtplib's errors are some
            self.close()
            raise Later(f"The mail server did not take the message: {error}.") from error

    def close(self) -> None:
        """Say goodbye."""
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.close()
            self.connection = None
