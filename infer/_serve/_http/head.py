"""Parsing of request heads: header fields and framing.

httptools (llhttp) splits the fields and checks their syntax. It sees only the head, so its handling
of bodies and upgrades does not matter. Everything that it might accept leniently is checked here
first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import unquote

from infer._serve._errors import RequestError
from infer._serve._http.hosts import Hosts
from infer._serve._http.messages import Request

# Limits of a head: bytes and lines.
MOST_BYTES = 1 << 16
MOST_LINES = 128
# Limit of digits in Content-Length: larger than any memory.
_MOST_DIGITS = 18

_VERSIONS = {b"HTTP/1.1": False, b"HTTP/1.0": True}
# Visible ASCII, what is outside ASCII in a value, space, tab and the ends of lines.
_ALLOWED = bytes([*range(0x21, 0x7F), *range(0x80, 0x100), *b" \t\r\n"])


class _Fields(list[tuple[bytes, bytes]]):
    """Collects the fields found by httptools."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add one field."""
        self.append((name.lower(), value.strip(b" \t")))


def check_bytes(data: bytes | bytearray) -> None:
    """Check that a head contains nothing ambiguous.

    Args:
        data: complete lines, or the beginning of them.

    Raises:
        RequestError: it has control characters, line endings other than CRLF, or a folded field.
    """
    ends = data.count(b"\r\n")
    returns = data.count(b"\r") - (data[-1:] == b"\r")  # its line feed may still arrive
    if data.translate(None, _ALLOWED) or data.count(b"\n") != ends or returns != ends:
        _refuse("control characters, or lines that do not end with CRLF")
    if b"\n " in data or b"\n\t" in data:
        _refuse("a field that continues on another line")


def parse(head: bytes, hosts: Hosts) -> Request:
    """Parse a head, including the blank line at its end.

    Raises:
        RequestError: it is malformed, its framing is ambiguous, or it asks for something that
            is not supported. The connection must then be closed.
    """
    check_bytes(head)
    if head.count(b"\n") > MOST_LINES:
        raise RequestError(431, f"expected at most {MOST_LINES - 2} header fields")
    method, target, http_1_0 = _request_line(head[: head.index(b"\r\n")])
    headers, hosts_found = _headers(head)
    if hosts_found > 1 or (not hosts_found and not http_1_0):
        _refuse(f"expected one field Host, found {hosts_found}")
    if hosts_found:
        hosts.check(headers[b"host"])
    path = _path(target, hosts)
    length = _length(headers, http_1_0=http_1_0)
    options = _options(headers)
    if http_1_0:
        keep_alive = b"keep-alive" in options and b"close" not in options
        return Request(method, path, headers, length, keep_alive, http_1_0=True)
    expected = headers.get(b"expect")
    if expected is not None and expected.lower() != b"100-continue":
        raise RequestError(417, "expected nothing but 100-continue in the field Expect")
    return Request(
        method,
        path,
        headers,
        length,
        b"close" not in options,
        expects_continue=expected is not None and length != 0,
    )


def _refuse(why: str) -> NoReturn:
    raise RequestError(400, f"not a valid HTTP/1.1 request: {why}")


def _request_line(line: bytes) -> tuple[str, bytes, bool]:
    parts = line.split(b" ")
    if len(parts) != 3 or not all(parts) or not line.isascii() or b"\t" in line:
        _refuse("expected a method, a target and a version in the first line")
    http_1_0 = _VERSIONS.get(parts[2])
    if http_1_0 is None:
        _refuse(f"expected the version HTTP/1.1 or HTTP/1.0, found {parts[2][:20].decode()!r}")
    return parts[0].decode(), parts[1], http_1_0


def _headers(head: bytes) -> tuple[dict[bytes, bytes], int]:
    """Return the fields by name, and how many Host fields there are."""
    from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

    fields = _Fields()
    try:
        HttpRequestParser(fields).feed_data(head)
    except HttpParserUpgrade:
        pass  # upgrades are not supported, so the offer is ignored
    except HttpParserError as error:
        _refuse(str(error))
    headers: dict[bytes, bytes] = {}
    hosts = 0
    for name, value in fields:
        hosts += name == b"host"
        if name not in headers:
            headers[name] = value
        elif name in (b"content-length", b"transfer-encoding"):
            _refuse(f"more than one field {name.decode()}")
        else:
            headers[name] = b"%b, %b" % (headers[name], value)
    return headers, hosts


def _options(headers: dict[bytes, bytes]) -> Iterable[bytes]:
    """Return the options of the field Connection, in lower case."""
    found = headers.get(b"connection")
    return () if found is None else [option.strip() for option in found.lower().split(b",")]


def _path(target: bytes, hosts: Hosts) -> str:
    """Return the decoded path of a target."""
    if not target.startswith(b"/"):
        scheme, colon, rest = target.partition(b"://")
        if colon and scheme.lower() in (b"http", b"https"):  # absolute form
            authority, _, path = rest.partition(b"/")
            hosts.check(authority)
            target = b"/" + path
        elif target != b"*":
            _refuse("expected a target that begins with /")
    plain = target.partition(b"?")[0].decode()
    return unquote(plain) if "%" in plain else plain


def _length(headers: dict[bytes, bytes], *, http_1_0: bool) -> int | None:
    """Return the number of bytes of the body; None if it is chunked."""
    length = headers.get(b"content-length")
    coding = headers.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            _refuse("both Content-Length and Transfer-Encoding")
        if http_1_0 or coding.lower() != b"chunked":
            _refuse("expected no Transfer-Encoding but chunked, and this from HTTP/1.1 on")
        return None
    if length is None:
        return 0
    if not length.isdigit() or len(length) > _MOST_DIGITS:
        _refuse("expected digits alone in the field Content-Length")
    return int(length)
