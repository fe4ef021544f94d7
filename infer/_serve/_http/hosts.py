"""Accepted values of the Host header.

A web page from elsewhere can point its own host name at this machine (DNS rebinding) and then read
from the server as if it were its own. Its requests still carry that name, so unknown names are
rejected. Ports are not compared: forwarded ports are common, and the name is enough to recognize
such a page.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address

from infer._serve._errors import RequestError

# A registered name or IPv4 address, or an IPv6 address in brackets; perhaps a port.
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9A-Za-z._-]{1,253}))(?::[0-9]{0,5})?")
# How many accepted values are cached; they are sent by clients.
_REMEMBERED = 64


class Hosts:
    """The hosts that a server answers for.

    These are ``localhost`` and the address that it listens on; also every loopback address if that
    is one, else every IP address (rebinding needs a name) and the machine's own name.
    """

    def __init__(self, typed: str, bound: str, allowed: Iterable[str] = ()) -> None:
        """Collect the names.

        Args:
            typed: the host to listen on, as the user typed it.
            bound: the address it was resolved to.
            allowed: additional names; ``*`` for all.
        """
        allowed = [_normal(name) for name in allowed]
        self._any = "*" in allowed
        self._names = {"localhost", _normal(typed), *allowed}
        self._loopback = ip_address(bound.partition("%")[0]).is_loopback
        if not self._loopback:
            self._names.add(_normal(socket.gethostname()))
        self._good: set[bytes] = set()

    def check(self, value: bytes) -> None:
        """Check the value of a Host header.

        Raises:
            RequestError: it is malformed or not accepted.
        """
        if value in self._good:
            return
        found = _AUTHORITY.fullmatch(value.decode("latin-1"))
        if found is None:
            raise RequestError(400, "expected a name or an address in the field Host")
        name = _normal(found[1] or found[2])
        if not (self._any or name in self._names or self._is_own_address(name)):
            raise RequestError(
                421,
                f"this server does not answer for the host {name!r}; to have it do so, start it "
                f"with --allowed-host {name}",
            )
        if len(self._good) < _REMEMBERED:
            self._good.add(value)

    def _is_own_address(self, name: str) -> bool:
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._loopback


def _normal(name: str) -> str:
    return name.lower().removesuffix(".").removeprefix("[").removesuffix("]")
