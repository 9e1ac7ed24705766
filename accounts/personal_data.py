"""What accounts, users and what hangs on them hold about a person or an account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from accounts.attaching import remove_files
from accounts.models import (
    Account,
    Assignment,
    AttributeChange,
    DataExport,
    EndUser,
    ExportPart,
    MrrDay,
    Note,
    NoteFile,
    Relationship,
    Subscription,
    TouchedAccount,
)
from accounts.privacy.digests import digests
from accounts.privacy.holdings import ACCOUNT, LAST, USER, Holding, Subject, exempt, hold
from accounts.privacy.mentions import is_named, mentioning
from accounts.privacy.redacting import ERASED, erasable_texts, redact
from accounts.touching import touch
from core.models import IdempotentAnswer


def of_account(model: type[Model], column: str = "account") -> Callable[[Subject], QuerySet[Any]]:
    """The rows of a model that belong to the account (or the user) by a foreign key."""
    return lambda subject: model._default_manager.filter(**{column: subject.pk})


def _changes_of_user(subject: Subject) -> QuerySet[AttributeChange]:
    belonging = Relationship.objects.filter(user=subject.pk).order_by().values("pk")
    mine = Q(subject="user", object_id=subject.pk) | Q(subject="relationship", object_id__in=belonging)
    return AttributeChange.objects.filter(mine)


def _changes_of_account(subject: Subject) -> QuerySet[AttributeChange]:
    belonging = Relationship.objects.filter(account=subject.pk).order_by().values("pk")
    bought = Subscription.objects.filter(account=subject.pk).order_by().values("pk")
    mine = Q(subject="account", object_id=subject.pk) | Q(subject="relationship", object_id__in=belonging)
    return AttributeChange.objects.filter(mine | Q(subject="subscription", object_id__in=bought))


def _changes_that_name(subject: Subject) -> QuerySet[AttributeChange]:
    """Other rows' changes of what they point to: a child's parent, a subscription's account."""
    named = Q(old=subject.external_id) | Q(new=subject.external_id)
    return AttributeChange.objects.filter(named, key__in=("parent", "account"))


def mentions_in(model: type[Model], column: str, account: str = "account") -> Callable[[Subject], QuerySet[Any]]:
    """The rows of the person's accounts whose text holds the id, the e-mail or the name; `account` leads to those."""

    def find(subject: Subject) -> QuerySet[Any]:
        wanted = Q(pk__in=[])
        for text in erasable_texts(subject):
            wanted |= Q(**{f"{column}__icontains": text})
        belongs = Relationship.objects.filter(user=subject.pk).order_by().values("account")
        return model._default_manager.filter(wanted, **{f"{account}__in": belongs})

    return find


def redacting(key: str, column: str) -> Callable[[QuerySet[Any], Subject, int], Counter[str]]:
    """Take the person out of such a text, and keep the row."""

    def erase(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
        chosen = list(rows[:limit])
        for row in chosen:
            text = getattr(row, column)
            redacted = redact(text, subject)
            # The database may know more forms of a letter; what stands for a name may be longer than the name.
            longest = type(row)._meta.get_field(column).max_length
            setattr(row, column, (redacted if redacted != text else ERASED)[:longest])
        if chosen:
            type(chosen[0])._default_manager.bulk_update(chosen, [column])
        return Counter({key: len(chosen)} if chosen else {})

    return erase


def lines_of(model: type[Model], *parts: str) -> Callable[[Subject], QuerySet[Any]]:
    """The rows whose `report` has lines about the account, each a list that begins with its primary key."""

    def find(subject: Subject) -> QuerySet[Any]:
        wanted = Q(pk__in=[])
        for part in parts:
            wanted |= Q(**{f"report__{part}__contains": [[subject.pk]]})
        return model._default_manager.filter(wanted)

    return find


def dropping_lines(key: str, *parts: str) -> Callable[[QuerySet[Any], Subject, int], Counter[str]]:
    """Take the account's lines out of such reports; the numbers beside them stay as they were found."""

    def erase(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
        chosen = list(rows[:limit])
        for row in chosen:
            for part in parts:
                if part in row.report:
                    row.report[part] = [line for line in row.report[part] if line[0] != subject.pk]
        if chosen:
            type(chosen[0])._default_manager.bulk_update(chosen, ["report"])
        return Counter({key: len(chosen)} if chosen else {})

    return erase


def _mentions(subject: Subject) -> QuerySet[Note]:
    """Notes of the person's accounts that name the person and are not about the person."""
    return mentions_in(Note, "text")(subject).exclude(user=subject.pk)


def _redact_notes(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    done = redacting("note_mentions", "text")(Note.objects.filter(pk__in=chosen), subject, limit)
    Note.objects.filter(pk__in=chosen).update(updated_at=timezone.now())
    return done


def _empty_notes(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """That there was a call stays known, for the account's last touchpoint; with whom and about what does not."""
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    text = f"{ERASED} with the person it was about."
    done = Note.objects.filter(pk__in=chosen).update(text=text, user=None, updated_at=timezone.now())
    return Counter({"notes": done} if done else {})


def _remove_note_files(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    done = remove_files(NoteFile.objects.filter(pk__in=chosen))
    return Counter({"note_files": done} if done else {})


def _end_relationships(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    chosen = list(rows.values_list("pk", "account")[:limit])
    touch(account for _, account in chosen)
    done = Relationship.objects.filter(pk__in=[pk for pk, _ in chosen]).delete()[0]
    return Counter({"relationships": done} if done else {})


def _orphan(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    touch(chosen)
    done = Account.objects.filter(pk__in=chosen).update(parent=None, updated_at=timezone.now())
    return Counter({"children": done} if done else {})


def logged(model: type[Model], pks: Iterable[int]) -> Q:
    """The back office's log of rows of a model."""
    kind = ContentType.objects.get_for_model(model)
    return Q(content_type=kind, object_id__in=[str(pk) for pk in pks])


def _log_of_user(subject: Subject) -> QuerySet[LogEntry]:
    notes = Note.objects.filter(Q(user=subject.pk) | Q(pk__in=_mentions(subject).order_by().values("pk")))
    found = logged(EndUser, [subject.pk])
    found |= logged(Relationship, Relationship.objects.filter(user=subject.pk).values_list("pk", flat=True))
    found |= logged(Note, notes.values_list("pk", flat=True))
    return LogEntry.objects.filter(found).exclude(object_repr=ERASED)


def _log_of_account(subject: Subject) -> QuerySet[LogEntry]:
    found = logged(Account, [subject.pk])
    for model in (Relationship, Subscription, Note, Assignment):
        found |= logged(model, model._default_manager.filter(account=subject.pk).values_list("pk", flat=True))
    return LogEntry.objects.filter(found).exclude(object_repr=ERASED)


def empty_log(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """Who changed what and when stays; the words, which hold names, go."""
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    done = LogEntry.objects.filter(pk__in=chosen).update(object_repr=ERASED, change_message="")
    return Counter({"back_office_log": done} if done else {})


def _exports_of_user(subject: Subject) -> QuerySet[DataExport]:
    """Also those of the person's accounts, because the person is in them."""
    theirs = Relationship.objects.filter(user=subject.pk).order_by().values("account__external_id")
    own = Q(kind=USER, digest__in=digests(USER, subject.external_id))
    found = DataExport.objects.filter(own | Q(kind=ACCOUNT, external_id__in=theirs))
    return found.exclude(state=DataExport.State.GONE)


def _exports_of_account(subject: Subject) -> QuerySet[DataExport]:
    found = DataExport.objects.filter(kind=ACCOUNT, digest__in=digests(ACCOUNT, subject.external_id))
    return found.exclude(state=DataExport.State.GONE)


def _drop_exports(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    ExportPart.objects.filter(export__in=chosen).delete()
    done = DataExport.objects.filter(pk__in=chosen).update(state=DataExport.State.GONE, external_id="")
    return Counter({"exports": done} if done else {})


def _answers(subject: Subject) -> QuerySet[IdempotentAnswer]:
    return mentioning(IdempotentAnswer, subject, "key", "answer")


def _empty_answers(rows: QuerySet[Any], subject: Subject, limit: int) -> Counter[str]:
    """That the key was used stays known, so that nothing is done twice, unless the key itself names the subject."""
    chosen = list(rows.select_for_update(of=("self",))[:limit])
    for row in chosen:
        if is_named(subject, row.key):
            row.delete()
        else:
            row.answer = {}
            row.save(update_fields=["answer"])
    return Counter({"answers": len(chosen)} if chosen else {})


_PERSON = {"user": "user__external_id", "name": "user__name"}
hold(
    Holding(
        key="back_office_log", label="Entries of the back office’s log (words removed)", model=LogEntry, order=20,
        find={USER: _log_of_user, ACCOUNT: _log_of_account}, erase=empty_log,
    ),
    Holding(
        key="answers", label="Answers to API calls that are kept for repetitions", model=IdempotentAnswer, order=20,
        find={USER: _answers, ACCOUNT: _answers}, erase=_empty_answers,
    ),
    Holding(
        key="exports", label="Exports that are still there", model=DataExport, order=20,
        find={USER: _exports_of_user, ACCOUNT: _exports_of_account}, erase=_drop_exports,
    ),
    Holding(
        key="note_mentions", label="Notes that name the person (name, e-mail and id removed)", model=Note, order=30,
        find={USER: _mentions}, erase=_redact_notes,
        columns={"at": "at", "kind": "kind", "account": "account__external_id", "text": "text"},
    ),
    Holding(
        key="note_files", label="Files on notes", model=NoteFile, order=33,
        find={USER: of_account(NoteFile, "note__user"), ACCOUNT: of_account(NoteFile, "note__account")},
        erase=_remove_note_files, columns={"at": "created_at", "name": "name", "type": "type", "size": "size"},
    ),
    Holding(
        key="notes", label="Notes (of a person: text removed)", model=Note, order=35,
        find={USER: of_account(Note, "user")}, erase=_empty_notes,
        columns={"at": "at", "kind": "kind", "account": "account__external_id", "text": "text"},
    ),
    Holding(
        key="account_notes", label="Notes", model=Note, order=35, find={ACCOUNT: of_account(Note)},
        columns={"at": "at", "kind": "kind", "user": "user__external_id", "text": "text"},
    ),
    Holding(
        key="value_changes", label="History of values", model=AttributeChange, order=40,
        find={USER: _changes_of_user, ACCOUNT: _changes_of_account},
        columns={"of": "subject", "key": "key", "old": "old", "new": "new", "at": "at", "source": "source"},
    ),
    Holding(
        key="mrr_days", label="MRR by day", model=MrrDay, order=40, find={ACCOUNT: of_account(MrrDay)},
        columns={"day": "day", "mrr": "mrr"},
    ),
    Holding(
        key="naming_changes", label="History of values that name the account", model=AttributeChange, order=40,
        find={ACCOUNT: _changes_that_name},
    ),
    Holding(
        key="relationships", label="Relationships", model=Relationship, order=60,
        find={USER: of_account(Relationship, "user"), ACCOUNT: of_account(Relationship)}, erase=_end_relationships,
        columns={
            "account": "account__external_id", **_PERSON, "role": "role", "attributes": "attributes",
            "started_at": "started_at", "ended_at": "ended_at",
        },
    ),
    Holding(
        key="subscriptions", label="Subscriptions", model=Subscription, order=60,
        find={ACCOUNT: of_account(Subscription)},
        columns={
            "external_id": "external_id", "plan": "plan", "status": "status_id", "mrr": "mrr", "currency": "currency",
            "attributes": "attributes", "created_at": "created_at",
        },
    ),
    Holding(
        key="assignments", label="Assignments", model=Assignment, order=60, find={ACCOUNT: of_account(Assignment)},
        columns={"role": "role_id", "member": "member__name", "started_at": "started_at", "ended_at": "ended_at"},
    ),
    Holding(
        key="children", label="Accounts below it (link removed)", model=Account, order=60,
        find={ACCOUNT: of_account(Account, "parent")}, erase=_orphan,
        columns={"external_id": "external_id", "name": "name"},
    ),
    Holding(
        key="touched", label="Marks for the next evaluation", model=TouchedAccount, order=90,
        find={ACCOUNT: of_account(TouchedAccount)},
    ),
    Holding(
        key="user", label="The user", model=EndUser, order=LAST, find={USER: of_account(EndUser, "pk")},
        columns={
            "external_id": "external_id", "name": "name", "email": "email", "title": "title",
            "attributes": "attributes", "first_seen_at": "first_seen_at", "departed": "departed",
            "created_at": "created_at",
        },
    ),
    Holding(
        key="account", label="The account", model=Account, order=LAST, find={ACCOUNT: of_account(Account, "pk")},
        columns={
            "external_id": "external_id", "name": "name", "domain": "domain", "industry": "industry",
            "country": "country", "stage": "stage_id", "level": "level_id", "status": "status_id",
            "customer_since": "customer_since", "churned_on": "churned_on", "churn_reason": "churn_reason",
            "mrr": "mrr", "plan": "plan", "attributes": "attributes", "created_at": "created_at",
        },
    ),
)  # fmt: skip
exempt(
    {
        "accounts.Erasure": "The id is emptied when the erasure is done; the keyed hash keeps the id out.",
        "django_q.OrmQ": "Tasks take primary keys and short words of the program, never an external id (core.jobs).",
        "core.ApiToken": "Its digest is the hash of a token of ours, which is nobody’s data.",
        "accounts.ExportPart": "Goes with its export.",
        "accounts.UserInAccount": "A view of users and their relationships, which are erased themselves.",
    }
)
