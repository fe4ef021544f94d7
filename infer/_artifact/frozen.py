"""A mapping that cannot be changed, and that can be pickled: ``MappingProxyType`` cannot."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeVar

    K = TypeVar("K")
    V = TypeVar("V")


class FrozenMapping(Mapping["K", "V"]):
    """A mapping that cannot be changed; equal to any mapping with the same items."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V]) -> None:
        """Take a copy of a mapping."""
        self._items = dict(items)

    def __getitem__(self, key: K) -> V:
        """Return the value of a key."""
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        """Yield the keys in their order."""
        return iter(self._items)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def __repr__(self) -> str:
        """Return the items as a dict would show them."""
        return f"{type(self).__name__}({self._items!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the items alone."""
        return type(self), (self._items,)
