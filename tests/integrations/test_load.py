"""`manage.py load`: good rows in, every bad row told with line, column and reason, a second run changes nothing."""

from __future__ import annotations

import datetime as dt
import gzip
import re
from pathlib import Path

import pytest
from django.core.management import CommandError

from accounts.models import Account, AttributeChange, AttributeDefinition, EndUser, Relationship, Subscription
from core.models import Workspace
from integrations import terminal
from integrations.ledger import Progress
from tests.integrations.reading import rejected, run
from usage.models import AccountUsage, Event

pytestmark = pytest.mark.django_db


def write(path: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_line_ends_and_delimiters_are_found_out(file: Path, encoding: str, end: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    write(file, mark + end.join(["Account ID;Company;Country", "a;Ærø;DK", '"b";"x;""y""";']), encoding)
    run("load", "accounts", file)
    rows = Account.objects.order_by("external_id").values_list("external_id", "name", "country")
    assert list(rows) == [("a", "Ærø", "DK"), ("b", 'x;"y"', "")]


def test_an_encoding_can_be_named(file: Path) -> None:
    write(file, "id,name\na,Müller €\n", "cp1252")
    with pytest.raises(CommandError, match="No row could be loaded"):
        run("load", "accounts", file)
    assert "cp1252" in rejected(file)[0][2]
    run("load", "accounts", file, "--encoding", "cp1252")
    assert Account.objects.get().name == "Müller €"


def test_a_second_run_changes_nothing(file: Path) -> None:
    write(file, "id,name,mrr\na,A,10\nb,B,20.5\n")
    assert "2 created" in run("load", "accounts", file)
    history = AttributeChange.objects.count()
    said = run("load", "accounts", file)
    assert "0 created, 0 updated, 2 unchanged, 0 bad" in said
    assert AttributeChange.objects.count() == history
    assert set(Account.objects.values_list("mrr", flat=True)) == {10, 20.5}  # billing was rolled up


def test_a_dry_run_says_the_same_and_keeps_nothing(file: Path) -> None:
    write(file, "id,name,floors\na,A,1\n,B,2\n")
    said = run("load", "accounts", file, "--dry-run", "--new-attributes")
    assert "1 created" in said and "1 bad" in said and "floors (number)" in said and "nothing was kept" in said
    assert not Account.objects.exists() and not AttributeDefinition.objects.filter(key="floors").exists()


def test_unknown_columns_are_listed_and_become_attributes_when_asked(file: Path) -> None:
    rows = [
        f"a{n},{n * 1.5},{'yes' if n % 2 else 'no'},2026-01-0{n % 9 + 1},{['S', 'M'][n % 2]},0{n},https://x.example/{n}"
        for n in range(12)
    ]
    write(file, "\n".join(["id,Score %,Has API,Go live,Size,Zip,Site", *rows]))
    said = run("load", "accounts", file)
    assert "Columns left out: Score %, Has API, Go live, Size, Zip, Site" in said and "--new-attributes" in said
    run("load", "accounts", file, "--new-attributes", "--map", "Zip=custom.postcode")
    kinds = dict(AttributeDefinition.objects.values_list("key", "kind"))
    assert kinds == {
        "score": "number", "has_api": "boolean", "go_live": "date", "size": "choice", "postcode": "text",
        "site": "link",
    }  # fmt: skip
    row = Account.objects.get(external_id="a3")
    assert row.attributes == {
        "score": 4.5, "has_api": True, "go_live": "2026-01-04", "size": "M", "postcode": "03",
        "site": "https://x.example/3",
    }  # fmt: skip
    assert "0 updated, 12 unchanged" in run("load", "accounts", file)


def test_day_first_dates_need_to_be_said(file: Path) -> None:
    write(file, "id,customer_since\na,03/04/2026\nb,2026-04-03\n")
    run("load", "accounts", file)
    assert rejected(file) == [
        (2, "customer_since", "“03/04/2026” may begin with the day or the month. Say which: --date-format %d-%m-%Y")
    ]
    write(file, "id,customer_since\na,03/04/2026\nc,31/12/2025 10:30\nd,2026-04-03\n")
    run("load", "accounts", file, "--date-format", "%d/%m/%Y")
    dates = {row.external_id: str(row.customer_since) for row in Account.objects.all()}
    assert dates == {"a": "2026-04-03", "b": "2026-04-03", "c": "2025-12-31"}
    assert rejected(file)[0][:2] == (4, "customer_since")


def test_every_bad_row_is_told_and_the_good_ones_are_loaded(file: Path) -> None:
    write(
        file,
        b"id,name,country,mrr\n"
        b"a,NUL\x00,NO,1\n"  # 2
        b"b,\xff\xfe,NO,1\n"  # 3
        b"c,too,many,cells,1\n"  # 4
        b"d,few\n"  # 5
        b",no id,NO,1\n"  # 6
        b"\n"  # 7: an empty line is no row
        b'e,"two\nlines",NO,1\n'  # 8
        b"f,twice,NO,1\n"  # 10
        b"f,again,NO,1\n"  # 11
        b'g,"$1,200",NO,"$1,200"\n'  # 12
        b'h,"never closed,NO,1\n'  # 13
        b"i,good,NO,-12.5\n"  # 14
        b"j," + b"x" * 300 + b",NO,1\n"  # 15
        b"=1+1,=cmd|'/C calc'!A0,NO,1\n"  # 16: text, stored unchanged
        b"1.23E+15,00123,NO,0\n",  # 17: an id is text
    )
    said = run("load", "accounts", file)
    told = {line: (column, reason) for line, column, reason in rejected(file)}
    assert set(told) == {2, 3, 4, 5, 6, 11, 12, 13, 14, 15}
    assert told[2] == ("name", "The cell holds a NUL character. Remove it.")
    assert told[3][0] == "name" and "not valid" in told[3][1]
    assert told[4] == ("", "The row has 5 cells, the header 4.")
    assert told[6][0] == "id"
    assert told[11] == ("id", "“f” stands already on line 10.")
    assert told[12][0] == "mrr" and "without separators" in told[12][1]
    assert "never closed" in told[13][1]
    assert told[15][0] == "name" and "300 characters" in told[15][1]
    assert "14 rows" in said and "10 bad" in said and str(file) + ".rejects.csv" in said
    names = dict(Account.objects.values_list("external_id", "name"))
    assert names == {"e": "two\nlines", "f": "twice", "=1+1": "=cmd|'/C calc'!A0", "1.23E+15": "00123"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04rest", "zip or Excel"),
        (b"%PDF-1.7", "a PDF"),
        (b"<!DOCTYPE html><p>", "web page"),
        (b"id,name,name\na,b,c", "the column name twice"),
        (b",,\na,b,c", "no header"),
        (b"first,second\na,b", "No column is external_id"),
        ("id,name\na,b".encode("utf-16-le"), "not a text file"),
        (",".join(f"c{n}" for n in range(5_000)).encode(), "5,000 columns"),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(file: Path, content: bytes, words: str) -> None:
    write(file, content)
    with pytest.raises(CommandError, match=re.escape(words)):
        run("load", "accounts", file)


def test_a_header_alone_is_no_mistake(file: Path) -> None:
    write(file, "id,name\n")
    assert "0 rows" in run("load", "accounts", file)


def test_a_file_that_is_not_there_is_said(file: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run("load", "accounts", file)


def test_a_cell_of_ten_megabytes_costs_its_row_only(file: Path) -> None:
    write(file, "id,name\na,A\nb," + "x" * 10_000_000 + '\nc,"' + "y" * 10_000_000 + '"\nd,D\n')
    run("load", "accounts", file)
    assert set(Account.objects.values_list("external_id", flat=True)) == {"a", "d"}
    assert [line for line, *_ in rejected(file)] == [3, 4]


def test_a_gzip_file_cut_off_in_the_middle_keeps_the_good_rows(tmp_path: Path) -> None:
    rows = "".join(f"k{n},Name {n * 7919 % 10007}\n" for n in range(3_000))
    packed = gzip.compress(f"id,name\n{rows}".encode())
    path = write(tmp_path / "rows.csv.gz", packed[: len(packed) // 2])
    run("load", "accounts", path, "--no-refresh")
    count = Account.objects.count()
    told = rejected(path)
    assert 500 < count < 2_900
    assert len(told) == 1 and "cut off" in told[0][2] and told[0][0] in (count + 1, count + 2)


def test_a_file_cut_off_in_a_row_says_so(file: Path) -> None:
    write(file, 'id,name,country\na,A,NO\nb,"B')
    run("load", "accounts", file)
    assert Account.objects.count() == 1
    assert rejected(file)[0][0] == 3 and "cut off" in rejected(file)[0][2]


def test_an_empty_cell_leaves_the_value_and_clears_it_only_when_asked(file: Path) -> None:
    write(file, "id,country\na,NO\n")
    run("load", "accounts", file)
    write(file, "id,country\na,\n")
    run("load", "accounts", file)
    assert Account.objects.get().country == "NO"
    run("load", "accounts", file, "--clear-empty")
    assert Account.objects.get().country == ""


def test_rows_with_a_time_may_repeat_and_the_newest_wins(file: Path) -> None:
    write(file, "id,stage,updated_at\na,live,2026-03-01\na,trial,2026-01-01\na,onboarding,2026-02-01\n")
    said = run("load", "accounts", file)
    assert "0 bad" in said and Account.objects.get().stage_id == "live"
    assert list(AttributeChange.objects.order_by("at").values_list("new", flat=True)) == ["trial", "onboarding", "live"]


def test_all_kinds_of_files_fit_together(tmp_path: Path) -> None:
    Workspace.get()
    run("load", "accounts", write(tmp_path / "a.csv", "id,name\na,A\nb,B\n"))
    run("load", "users", write(tmp_path / "u.csv", "user_id,email\nu,u@a.example\n"))
    run("load", "relationships", write(tmp_path / "r.csv", "user_id,account_id,role\nu,a,admin\nx,a,admin\n"))
    said = run(
        "load", "subscriptions",
        write(tmp_path / "s.csv", "id,account_id,plan,mrr,interval,seats\ns,a,Pro,90,annual,5\nt,zz,Pro,1,month,1\n"),
    )  # fmt: skip
    assert "There is no account “zz”" in said
    events = write(
        tmp_path / "e.csv",
        "event,timestamp,user_id,pages\nLogin,2026-03-01T10:00:00Z,u,4\nLogin,2026-03-01T10:00:00Z,u,4\n",
    )
    assert "1 stored, 1 known already" in run("load", "events", events)
    account = Account.objects.get(external_id="a")
    subscription = Subscription.objects.get()
    assert (account.mrr, account.plan, account.licences, subscription.billing_period) == (90, "Pro", 5, "yearly")
    assert Relationship.objects.get().role == "admin" and EndUser.objects.count() == 1
    assert Event.objects.get().properties == {"pages": 4}
    assert AccountUsage.objects.get(account=account).last_seen_at is not None


def test_a_file_of_events_may_say_who_was_not_there(tmp_path: Path) -> None:
    run("load", "accounts", write(tmp_path / "a.csv", "id\na\n"))
    rows = ["Login,2026-03-01,a,true", "Login,2026-03-02,a,", "Billed,2026-03-03,a,no", "Billed,2026-03-04,a,perhaps"]
    events = write(tmp_path / "e.csv", "\n".join(["event,timestamp,account_id,context_active", *rows, ""]))
    assert "“perhaps” is neither yes nor no" in run("load", "events", events)
    assert list(Event.objects.order_by("at").values_list("active", flat=True)) == [True, True, False]
    assert AccountUsage.objects.get().last_seen_at == dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("term", "shown"),
    [
        ({"FORCE_COLOR": "1", "COLUMNS": "100", "TERM": "xterm"}, "Loading accounts: 4,000 rows, 3 bad ━"),
        ({}, "Loading accounts: 4,000 rows, 3 bad, 50 %\n"),
    ],
    ids=["a bar", "plain lines"],
)
def test_how_far_it_is_is_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], term: dict[str, str], shown: str
) -> None:
    """By bytes of the file: a bar where a terminal is, a line every few seconds where none is."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in term.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(terminal, "EVERY", 0.0)
    with terminal.watching("Loading accounts") as watch:
        watch(Progress(place=500, size=1_000, rows=4_000, bad=3))
    said = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", capfd.readouterr().err)
    assert shown in said and "50 %" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--map", "nothing"], "write COLUMN=field"),
        (["--map", "colour=name"], "has no column colour"),
        (["--map", "name=wings"], "is not a field of accounts"),
        (["--map", "name=custom.wings"], "There is no attribute “wings”"),
        (["--map", "name=external_id"], "Two columns feed external_id"),
        (["--as-of", "2190-01-01"], "future"),
        (["--encoding", "klingon"], "is not an encoding"),
        (["--mapping", "nowhere.json"], "cannot be read"),
    ],
)
def test_a_wrong_option_is_explained(file: Path, options: list[str], words: str) -> None:
    write(file, "id,name\na,A\n")
    with pytest.raises(CommandError, match=re.escape(words)):
        run("load", "accounts", file, *options)
    assert not Account.objects.exists()


def test_a_mapping_file_says_it_all(tmp_path: Path) -> None:
    mapping = write(
        tmp_path / "map.json",
        """{"columns": {"K": "external_id", "N": null, "T": "custom.tier"}, "constants": {"stage": "live"},
            "when": [{"column": "N", "is": "gone", "set": {"stage": "cancelled", "churn_reason": {"column": "T"}}}],
            "attributes": {"tier": {"kind": "choice", "choices": ["gold", "tin"]}}}""",
    )
    run("load", "accounts", write(tmp_path / "a.csv", "K,N,T\na,,gold\nb,Gone,tin\n"), "--mapping", mapping)
    rows = Account.objects.order_by("external_id").values_list("stage", "churn_reason", "attributes")
    assert list(rows) == [("live", "", {"tier": "gold"}), ("cancelled", "tin", {"tier": "tin"})]


@pytest.mark.parametrize("text", ["[]", "{", '{"colums": {}}', '{"when": [{"is": "x"}]}'])
def test_a_mapping_file_with_a_mistake_is_refused(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.csv", "id\na\n")
    with pytest.raises(CommandError, match=r"map\.json"):
        run("load", "accounts", path, "--mapping", write(tmp_path / "map.json", text))
