"""Tasks: what people do with them, the days on which they are due, the calendar feed, API and back office."""
