"""Compare an artifact on disk with a fresh export."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infer._artifact.format import CARD_FILE, SIBLING_FILES


def differences(committed: Path, fresh: Path) -> list[str]:
    """Return one line per difference between two artifact folders."""
    if not committed.is_dir():
        return [f"{committed}: absent"]
    lines = []
    names = {path.name for path in (*committed.iterdir(), *fresh.iterdir())}
    for name in sorted(names, key=[CARD_FILE, *SIBLING_FILES, *sorted(names)].index):
        old, new = _read(committed / name), _read(fresh / name)
        if new is None:
            lines.append(f"{committed / name}: unexpected")
        elif old is None:
            lines.append(f"{committed / name}: absent")
        elif old == new:
            continue
        elif name == CARD_FILE and (changes := list(_json_changes(old, new))):
            lines += [f"{committed / name}: {change}" for change in changes]
        else:
            lines.append(f"{committed / name}: {_describe(old)}, now {_describe(new)}")
    return lines


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _describe(data: bytes) -> str:
    return f"{len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:16]}…"


def _json_changes(old: bytes, new: bytes) -> Iterator[str]:
    try:
        before, after = dict(_leaves(json.loads(old))), dict(_leaves(json.loads(new)))
    except ValueError:
        return
    for key in sorted({*before, *after}):
        was, now = before.get(key, "absent"), after.get(key, "absent")
        if was != now:
            yield f"key {key!r} is {was}, now {now}"


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{key}[{index}]")
    else:
        yield key, json.dumps(value, ensure_ascii=False)
