"""The words that invented companies and people are named with; domains end in .example, which nobody can own."""

from __future__ import annotations

import json
from pathlib import Path

_NAMES = json.loads((Path(__file__).parent / "names.json").read_text(encoding="utf-8"))
FIRST_WORDS: list[str] = _NAMES["first_words"]
TRADES = [
    ("Logistics", "Transport"), ("Freight", "Transport"), ("Dental", "Healthcare"), ("Clinics", "Healthcare"),
    ("Labs", "Healthcare"), ("Insurance", "Finance"), ("Credit", "Finance"), ("Capital", "Finance"),
    ("Software", "Technology"), ("Robotics", "Technology"), ("Networks", "Technology"), ("Foods", "Retail"),
    ("Outfitters", "Retail"), ("Books", "Retail"), ("Energy", "Utilities"), ("Water", "Utilities"),
    ("Academy", "Education"), ("Learning", "Education"), ("Hotels", "Hospitality"), ("Travel", "Hospitality"),
]  # fmt: skip
COUNTRIES = {
    "EMEA": ["Germany", "Norway", "France", "United Kingdom", "Spain", "Netherlands", "South Africa"],
    "Americas": ["United States", "Canada", "Brazil", "Mexico"],
    "APAC": ["Japan", "Australia", "India", "Singapore"],
}
GIVEN_NAMES: list[str] = _NAMES["given_names"]
FAMILY_NAMES: list[str] = _NAMES["family_names"]
TITLES = [
    "Operations lead",
    "Analyst",
    "Head of data",
    "Finance manager",
    "Team lead",
    "Product manager",
    "IT manager",
    "",
]
REMARKS = {
    "growing": [
        "Rolled out to a second department.",
        "Asked for the price of more licences.",
        "Wants a reference call.",
    ],
    "steady": ["Quiet and content.", "Next business review is planned.", "Uses exports for its monthly close."],
    "falling": [
        "The champion changed jobs.",
        "Fewer reports since the reorganisation.",
        "Compares us with another vendor.",
    ],
    "silent": ["No answer to two e-mails.", "Project on hold, says the sponsor.", "The last contact left the company."],
    "low": ["Bought for the whole site, only one team started.", "Training was postponed twice."],
    "new": ["Kick-off held.", "Waiting for their single sign-on.", "Data import is half done."],
    "trial": ["Evaluates us with two others.", "Wants to see the API."],
    "cancelled": ["Left for a cheaper product.", "Closed the department that used us."],
}
CALLS = [
    "Went through the open questions; two of them need an answer from engineering.",
    "Quarterly review: goals for the next quarter agreed.",
    "Training for new users, eight people joined.",
    "Talked about the renewal; the budget holder joins next time.",
    "Showed the new export and collected wishes.",
]
TAGS = ["reference", "beta tester", "single sign-on", "api", "multi-site", "public sector", "partner-led"]
CHURN_REASONS = ["Price", "Missing features", "Went out of business", "Chose another product"]
EVENTS = ["Dashboard Viewed", "Report Created", "Report Exported", "Data Imported", "Comment Added", "API Key Used"]
EVENT_WEIGHTS = [45, 22, 14, 8, 8, 3]
