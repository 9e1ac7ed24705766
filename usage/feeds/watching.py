"""Looking at the feeds: what came is summed up, one that fell silent or low is marked, and let go when it is back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef

from core.clock import Moment, moment
from core.locks import xact_lock
from usage.feeds.models import Feed, FeedHour, FeedSilence
from usage.feeds.rhythm import WEEKS, learn
from usage.feeds.volume import is_back, low_since, walk

EVERY = dt.timedelta(minutes=5)
KEPT = dt.timedelta(weeks=WEEKS + 2)
LATELY = dt.timedelta(days=30)
SETTLES = dt.timedelta(days=7)  # at most: a week is the longest usual pause of an account that is active
_SUM_UP = """
WITH taken AS (DELETE FROM usage_feedarrival RETURNING source, name_id, at, count),
feeds AS (
    INSERT INTO usage_feed AS f (source, first_at, last_at, rhythm)
    SELECT source, min(at), max(at), '' FROM taken GROUP BY source ORDER BY source
    ON CONFLICT (source) DO UPDATE SET first_at = least(f.first_at, EXCLUDED.first_at),
        last_at = greatest(f.last_at, EXCLUDED.last_at)
    RETURNING id, source
),
hours AS (
    INSERT INTO usage_feedhour AS h (feed_id, hour, count)
    SELECT feeds.id, date_trunc('hour', at, 'UTC'), sum(count) FROM taken JOIN feeds USING (source) GROUP BY 1, 2
    ON CONFLICT (feed_id, hour) DO UPDATE SET count = h.count + EXCLUDED.count
)
INSERT INTO usage_feedevent AS e (feed_id, name_id, last_at)
SELECT feeds.id, name_id, max(at) FROM taken JOIN feeds USING (source) GROUP BY 1, 2
ON CONFLICT (feed_id, name_id) DO UPDATE SET last_at = greatest(e.last_at, EXCLUDED.last_at)
"""


def note_arrival(source: str, names: Iterable[int], at: dt.datetime) -> None:
    """Note that events (by the numbers of their names) came from a source; in the transaction that stores them."""
    counts: dict[int, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    if counts:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO usage_feedarrival (source, name_id, at, count)"
                " SELECT %s, unnest(%s::smallint[]), %s, unnest(%s::int[])",
                [source, list(counts), at, list(counts.values())],
            )


@dataclass
class Looked:
    """What a look found: silences that began, those whose data came again, and those that hold no longer."""

    began: list[FeedSilence] = field(default_factory=list)
    ended: list[FeedSilence] = field(default_factory=list)
    released: list[FeedSilence] = field(default_factory=list)


def watch_due(now: dt.datetime) -> bool:
    """Whether the last look is long enough ago."""
    newest = Feed.objects.exclude(judged_at=None).order_by("-judged_at").values_list("judged_at", flat=True).first()
    return newest is None or now - newest >= EVERY


@transaction.atomic
def watch_feeds(present: Moment | None = None) -> Looked:
    """Sum up what came, and judge every feed; one look at a time."""
    now = present or moment()
    xact_lock("usage.feeds")
    with connection.cursor() as cursor:
        cursor.execute(_SUM_UP)
    _forget_hours(now.now - KEPT)
    # Files loaded once, each a source of its own, would pile up.
    Feed.objects.filter(last_at__lt=now.now - KEPT, silences=None).delete()
    looked = Looked()
    unfinished = FeedSilence.objects.filter(ended_at__isnull=True).with_kind()
    open_ones = {silence.feed_id: silence for silence in unfinished}
    ends = dict(FeedSilence.objects.values_list("feed").annotate(last=Max("ended_at")).values_list("feed", "last"))
    for feed in Feed.objects.order_by("source"):
        counts = dict(feed.hours.values_list("hour", "count"))
        silence = open_ones.get(feed.pk)
        if silence is not None and _is_over(silence, feed, counts, now):
            _end(silence, feed, now.now)
            looked.ended.append(silence)
            ends[feed.pk], silence = silence.ended_at, None
        rhythm = learn(counts, now.zone)
        Feed.objects.filter(pk=feed.pk).update(judged_at=now.now, rhythm=rhythm.words if rhythm else "")
        if rhythm is not None and silence is None:
            since = feed.last_at if rhythm.silent(now.now) else None
            since = since or low_since(walk(counts, rhythm, now.now), rhythm, after=ends.get(feed.pk))
            if since is not None:
                made = FeedSilence.objects.create(feed=feed, since=since, noticed_at=now.now)
                looked.began.append(made)
    for silence in FeedSilence.objects.holding().filter(settles_at__lte=now.now).select_related("feed"):
        silence.released_at = now.now
        silence.save(update_fields=["released_at"])
        looked.released.append(silence)
    return looked


def _forget_hours(before: dt.datetime) -> None:
    """Delete old hours, but those of a drop, which tell it from a silence."""
    of_silence = FeedSilence.objects.filter(feed=OuterRef("feed"), since__lte=OuterRef("hour"))
    old = FeedHour.objects.filter(hour__lt=before)
    old.exclude(Exists(of_silence.filter(noticed_at__gt=OuterRef("hour")))).delete()


def _is_over(silence: FeedSilence, feed: Feed, counts: Mapping[dt.datetime, int], now: Moment) -> bool:
    """Whether a silent feed brought something again, or one that was low brings as much as it did before that."""
    if not silence.is_thin:
        return feed.last_at > silence.since
    before = learn({hour: count for hour, count in counts.items() if hour < silence.since}, now.zone)
    if before is None:  # what was usual before is forgotten: there is nothing to wait for
        return True
    return is_back(walk(counts, before, now.now), before, since=silence.since)


def _end(silence: FeedSilence, feed: Feed, now: dt.datetime) -> None:
    """Data came again. Rules stay held for as long as the silence lasted, a week at most."""
    silence.ended_at = max(now, silence.since)
    silence.settles_at = silence.ended_at + min(silence.ended_at - silence.since, SETTLES)
    silence.save(update_fields=["ended_at", "settles_at"])


def call_real(silence: FeedSilence, *, by: str) -> bool:
    """A person says that the silence is real: rules are evaluated as they are. False if it holds nothing."""
    held = FeedSilence.objects.holding().filter(pk=silence.pk)
    done = held.update(released_at=moment().now, released_by=by[:150])
    silence.refresh_from_db()
    return bool(done)


@dataclass(frozen=True)
class Silences:
    """The silences for which rules are held, and the events (by number) that each feed brought lately."""

    open: list[FeedSilence]
    names: Mapping[int, Collection[int]]

    def of_events(self, wanted: Collection[int]) -> list[FeedSilence]:
        """The silent feeds from which one of these events came lately."""
        return [silence for silence in self.open if set(wanted) & set(self.names.get(silence.pk, ()))]


def silences() -> Silences:
    """Those at present: one query while no feed is silent."""
    open_ones = list(FeedSilence.objects.holding().with_kind().select_related("feed").order_by("since", "pk"))
    names = {
        silence.pk: set(
            silence.feed.events.filter(last_at__gte=silence.since - LATELY).values_list("name_id", flat=True)
        )
        for silence in open_ones
    }
    return Silences(open_ones, names)
