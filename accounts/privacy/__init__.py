"""Erasing a person or an account everywhere, keeping it out afterwards, and handing out all that is held about one."""
