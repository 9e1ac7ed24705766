"""The words that invented companies and people are named with; domains end in .example, which nobody can own."""

from __future__ import annotations

FIRST_WORDS = (
    "Alderbrook Amberline Arborview Bellweather Birchgate Bluefen Brackenridge Brightwater Calderstone Cedarhythe Cinderhill "
    "Cloverfield Coldharbour Coralbay Crestmoor Dovecote Driftwood Eastmarch Elmhurst Emberly Fairhaven Fallowdene Farrowby "
    "Fernleigh Flintlock Foxglove Glasswing Goldfinch Greywater Harebell Hartsmere Hawksworth Heatherton Highmoor Hollowell "
    "Inkwell Ironbark Ivybridge Junipera Kelpwood Kingfisher Larkspur Lindenfold Longacre Lowtide Maplewick Marlstone "
    "Meadowlark Millrace Mossbank Nettlecombe Nightjar Oakhanger Oldcastle Osprey Otterburn Palegate Pebblebrook Penrose "
    "Quarryside Quillfeather Ravenhurst Redfern Riverstone Rookery Rosewarne Saltmarsh Sandpiper Silverlea Skylark Snowdrop "
    "Stonecrop Summerdown Swiftwater Tallowgate Tamarind Thistledown Thornbury Tidepool Umberfield Valeside Vireo Wayfarer "
    "Westering Whitethorn Wildrye Willowmere Windrush Wintergreen Wrenfield Yarrow Yewtree Zephyra"
).split()
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
GIVEN_NAMES = (
    "Aisha Akira Alma Anders Anita Arjun Astrid Beatriz Bruno Camille Carlos Chidi Clara Daniel Deepa Diego Elena Emeka Emil "
    "Farah Felix Fiona Gabriel Greta Hana Hugo Ines Ingrid Isaac Ivan Jana Joel Jonas Julia Kaito Karim Katja Kofi Lars Leila "
    "Leo Lina Lucia Luis Magnus Maia Malik Marek Maria Mei Mila Nadia Naoki Nia Noah Nora Olga Omar Paula Pedro Petra Rafael "
    "Rania Ravi Rosa Ruben Sanjay Sara Sena Simon Sofia Sven Tara Theo Tomoko Uma Vera Viktor Wanda Yara Yusuf Zeynep Zoe"
).split()
FAMILY_NAMES = (
    "Abara Ahlgren Alvarez Amsel Andrade Arnesen Baptiste Barros Becker Bhatt Bianchi Brandt Castro Cohen Costa Dahl Delgado "
    "Dubois Eide Ekström Falk Ferrari Fischer Fujita Garnier Ghosh Gomez Haddad Halloran Hassan Hoffmann Ibrahim Ito Iyer "
    "Jansen Jimenez Kaya Keller Khan Kimura Kowal Kruger Laine Larsen Lindqvist Lopes Mahmoud Marchetti Mbeki Mendez Mori "
    "Nakamura Novak Nwosu Okafor Olsen Ortega Osei Park Patel Pereira Petrov Quist Ramirez Rao Rossi Sato Schmidt Sharma Silva "
    "Sorensen Suzuki Takeda Tanaka Torres Vargas Virtanen Vogel Weber Yamada Yilmaz Zaman Ziegler"
).split()
TITLES = ["Operations lead", "Analyst", "Head of data", "Finance manager", "Team lead", "Product manager", "IT manager", ""]
REMARKS = {
    "growing": ["Rolled out to a second department.", "Asked for the price of more licences.", "Wants a reference call."],
    "steady": ["Quiet and content.", "Next business review is planned.", "Uses exports for its monthly close."],
    "falling": ["The champion changed jobs.", "Fewer reports since the reorganisation.", "Compares us with another vendor."],
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
