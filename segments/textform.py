"""Segments as text: a YAML file that people read, review in Git and apply.

A group is written `all: [ … ]` instead of `{match: all, rules: [ … ]}`; everything else is the tree as the API has it.
Reading takes nothing for granted: no tags, no anchors (a few lines could grow without end), no key twice, and `on`,
`yes` and dates stay the words that they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from accounts.fields import Subject
from core.intake import BadValue, clean_text, short
from segments.models import Segment
from segments.rules.tree import MATCHES

MAX_CHARACTERS = 2_000_000
KEYS = ("key", "name", "description", "subject", "visible", "active", "rule")
_KEY = re.compile(r"[-a-zA-Z0-9_]{1,80}")


class TextError(ValueError):
    """The file cannot be used; the message says where and why."""


@dataclass(frozen=True)
class Written:
    """A segment as the file has it; `rule` is the tree in the form of the API."""

    key: str
    name: str
    description: str
    visible: bool
    active: bool
    rule: Any
    subject: str = Subject.ACCOUNT


class _Loader(yaml.SafeLoader):
    """Plain data only."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse references to what stands elsewhere in the file."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise TextError(f"Line {mark.line + 1}: an anchor is used (“*”). Write the value out.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Refuse a key that comes twice, of which one would be lost."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = str(getattr(key_node, "value", ""))
            if key in seen:
                raise TextError(f"Line {key_node.start_mark.line + 1}: “{short(key)}” comes twice.")
            seen.add(key)
        return super().construct_mapping(node, deep)


_KEPT = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:null")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


class _Dumper(yaml.SafeDumper):
    """Short leaves on one line, no references."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        """A comparison on one line; groups and segments over several."""
        pairs = dict(mapping)
        leaf = not any(pairs.get(key) for key in (*MATCHES, "where", "of", "rule", "segments", "sequence"))
        return super().represent_mapping(tag, mapping, flow_style=leaf)


def write_text(segments: Iterable[Segment]) -> str:
    """The file for these segments, in their order."""
    found = [
        {
            "key": one.key,
            "name": one.name,
            **({"description": one.description} if one.description else {}),
            **({"subject": str(one.subject)} if one.subject != Subject.ACCOUNT else {}),
            "visible": one.visible,
            "active": one.active,
            "rule": _plain(one.rule) if one.rule else {"all": []},
        }
        for one in segments
    ]
    return str(
        yaml.dump(
            {"segments": found},
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=110,
            default_flow_style=False,
        )
    )


def read_text(text: str) -> list[Written]:
    """The segments of a file. Raises TextError; rules are judged when they are applied."""
    if len(text) > MAX_CHARACTERS:
        raise TextError(f"The file has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader, made stricter)
    except yaml.MarkedYAMLError as error:
        line = f"Line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise TextError(f"{line}the file is not YAML ({short(error.problem or 'it cannot be read')}).") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, TextError):
            raise
        raise TextError(f"The file is not YAML ({short(error)}).") from error
    if not isinstance(data, dict) or set(data) != {"segments"} or not isinstance(data["segments"], list):
        raise TextError("The file must be “segments:” with a list below it.")
    found = [_segment(item, f"Segment {number}") for number, item in enumerate(data["segments"], 1)]
    keys = [one.key for one in found]
    for key in keys:
        if keys.count(key) > 1:
            raise TextError(f"The key “{key}” comes twice.")
    return found


def _segment(item: Any, where: str) -> Written:
    if not isinstance(item, dict):
        raise TextError(f"{where}: expected a mapping with key, name and rule.")
    for key in item:
        if key not in KEYS:
            raise TextError(f"{where}: “{short(key)}” is not known here. Use {', '.join(KEYS)}.")
    key = item.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise TextError(f"{where}: the key must be letters, digits, “-” or “_”, at most 80 of them.")
    where = f"{where} ({key})"
    if "rule" not in item:
        raise TextError(f"{where}: there is no rule.")
    try:
        name, description = clean_text(item.get("name"), 120), clean_text(item.get("description") or "", 2_000)
    except BadValue as error:
        raise TextError(f"{where}: {error}") from error
    flags = [item.get(flag, True) for flag in ("visible", "active")]
    if not all(isinstance(flag, bool) for flag in flags):
        raise TextError(f"{where}: visible and active are true or false.")
    subject = item.get("subject", Subject.ACCOUNT.value)
    if subject not in list(Subject):
        raise TextError(f"{where}: the subject is {' or '.join(Subject)}; without one it is account.")
    return Written(key, name, description, flags[0], flags[1], _tree(item["rule"]), str(subject))


def _plain(node: Any) -> Any:
    """The tree as it is written: groups by their word."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"match", "rules"} and node["match"] in MATCHES:
        return {node["match"]: _plain(node["rules"])}
    return {key: _plain(value) for key, value in node.items()}


def _tree(data: Any) -> Any:
    """The tree of the API, from what was written."""
    if isinstance(data, list):
        return [_tree(item) for item in data]
    if not isinstance(data, dict):
        return data
    (first, *more) = data or [None]
    if not more and first in MATCHES and isinstance(data[first], list):
        return {"match": first, "rules": _tree(data[first])}
    return {str(key): _tree(value) for key, value in data.items()}
