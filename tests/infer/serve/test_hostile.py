"""A client that is slow, silent, endless or lies hurts nobody else: over plain sockets."""

import json
import re
import socket
import threading
import time
import zlib
from contextlib import suppress

import pytest

import infer

ASKED = {"inputs": [{"name": "t_u", "shape": [1], "datatype": "FP32", "data": [98.6]}]}
BODY = json.dumps(ASKED).encode()
HEAD = b"POST /v2/models/f2c/infer HTTP/1.1\r\nhost: localhost\r\n"
EXPECTED = infer.load("f2c")(98.6)


def others_are_served(server):
    """Ask on a new connection; a bounded wait, but no claim on speed."""
    status, answer = server.infer("f2c", ASKED)
    assert status == 200
    assert answer["outputs"][0]["data"] == [EXPECTED]


def read_all(connection):
    """Return what comes until the other side closes."""
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def read_answer(connection):
    """Return the head and the body of the next answer, and leave what follows it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = connection.recv(1)
        assert part, "closed"
        head += part
    head = head[:-4]
    size = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1])
    body = b""
    while len(body) < size:
        part = connection.recv(size - len(body))
        assert part, "closed"
        body += part
    return head, body


def send_forever(connection, *parts):
    """Send the first part, then the second again and again, until the other side refuses."""
    connection.sendall(parts[0])
    for _ in range(2000):
        connection.sendall(parts[1])


def status(server, request):
    """Send a request on a new connection, and return the status of the answer."""
    with server.connect() as connection:
        connection.sendall(request)
        return int(read_answer(connection)[0].split()[1])


def status_and_error(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


SLOW = (
    b"POST /v2/mo",
    HEAD,
    HEAD + b"content-length: 100\r\n\r\n",
    HEAD + b"content-length: 100\r\n\r\n" + BODY[:20],
    HEAD + b"content-length: 500000\r\n\r\n" + BODY[:20],
    HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\n{",
    HEAD + b"transfer-encoding: chunked\r\n\r\n1\n",
    HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx: 1\r\n",
)


def test_what_does_not_arrive_is_given_up(strict):
    connections = [strict.connect() for _ in SLOW]
    for connection, start in zip(connections, SLOW, strict=True):
        connection.sendall(start)
    others_are_served(strict)
    for connection in connections:
        with connection:
            status, error = status_and_error(read_all(connection))
        assert (status, error) == (408, "the request did not arrive within 1 s")
    others_are_served(strict)


def test_a_byte_now_and_then_gains_no_time(strict):
    began = time.monotonic()
    with strict.connect() as slow:
        slow.sendall(HEAD + b"content-length: 1000\r\n\r\n")
        slow.settimeout(0.1)
        answer = b""
        while not answer:
            assert time.monotonic() - began < 15
            try:
                slow.sendall(b" ")
                answer = slow.recv(1 << 16)
            except TimeoutError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                break
    others_are_served(strict)


def test_a_silent_connection_is_closed(strict):
    with strict.connect() as silent:
        assert read_all(silent) == b""
    with strict.connect() as idle:
        idle.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
        assert read_answer(idle)[0].startswith(b"HTTP/1.1 200")
        assert read_all(idle) == b""


def test_more_connections_than_there_may_be_close_the_oldest_idle_one(start):
    server = start("f2c", "--max-connections", "24")
    crowd = [server.connect() for _ in range(60)]
    try:
        for connection in crowd[::2]:
            with suppress(ConnectionError):  # some are closed by now
                connection.sendall(HEAD)
        others_are_served(server)
        with suppress(ConnectionResetError):
            assert read_all(crowd[0]) == b""
        crowd[-1].sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert crowd[-1].recv(1 << 16).startswith(b"HTTP/1.1 200")
    finally:
        for connection in crowd:
            connection.close()
    others_are_served(server)


BAD_BYTES = "control characters, or lines that do not end with CRLF"
CODING = "expected no Transfer-Encoding but chunked, and this from HTTP/1.1 on"
DIGITS = "expected digits alone in the field Content-Length"
FIRST_LINE = "expected a method, a target and a version in the first line"
VERSION = "expected the version HTTP/1.1 or HTTP/1.0, found "
# What is said of each; nothing is asserted of what httptools says, which changes with its version.
GARBAGE = {
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)): BAD_BYTES,
    b"\r\n\r\n\0\0\0\0": BAD_BYTES,
    b"\r\n\r\n\r\n\r\n": FIRST_LINE,
    b"GET / HTTP/9.9\r\n\r\n": f"{VERSION}'HTTP/9.9'",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9): f"{VERSION}'HTTP/2.0'",
    b"GET /\r\n\r\n": FIRST_LINE,
    b"GET  / HTTP/1.1\r\n\r\n": FIRST_LINE,
    b"GET /\xff HTTP/1.1\r\n\r\n": FIRST_LINE,
    b"GET\t/ HTTP/1.1 \r\n\r\n": FIRST_LINE,
    b"G@T / HTTP/1.1\r\nhost: localhost\r\n\r\n": "",
    b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n": "expected a target that begins",
    HEAD.replace(b"\r\n", b"\n") + b"\n": BAD_BYTES,
    HEAD + b"x: 1\n\r\n": BAD_BYTES,
    HEAD + b"x: 1\rcontent-length: 3\r\n\r\nabc": BAD_BYTES,
    HEAD + b"x: \0\r\n\r\n": BAD_BYTES,
    HEAD + b"x: 1\r\n 2\r\n\r\n": "a field that continues on another line",
    HEAD + b"x: 1\r\n\tcontent-length: 3\r\n\r\nabc": "a field that continues on another line",
    HEAD + b"no colon\r\n\r\n": "",
    HEAD + b"content-length : 5\r\n\r\n": "",
    HEAD + b"content-length: minus\r\n\r\n": "",
    HEAD + b"content-length: -1\r\n\r\n": "",
    HEAD + b"content-length: +5\r\n\r\nhello": "",
    HEAD + b"content-length: 5, 5\r\n\r\nhello": "",
    HEAD + b"content-length: 0x5\r\n\r\nhello": "",
    HEAD + b"content-length: 1" + b"0" * 18 + b"\r\n\r\n": DIGITS,
    HEAD + b"content-length: \r\n\r\n": "",
    HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n": "Content-Length",
    HEAD + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello": "Content-Length",
    HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n": "Transfer-Encoding",
    HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n": "Content-Length",
    HEAD + b"transfer-encoding: gzip\r\n\r\n": "Transfer-Encoding",
    HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n": CODING,
    HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n": "Transfer-Encoding",
    HEAD + b"transfer-encoding: xchunked\r\n\r\n": "Transfer-Encoding",
    HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n": "",
    HEAD.replace(b"/1.1", b"/1.0") + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n": CODING,
    HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n": "expected the size of a chunk",
    HEAD + b"transfer-encoding: chunked\r\n\r\n-1\r\n": "expected the size of a chunk",
    HEAD + b"transfer-encoding: chunked\r\n\r\n0x1\r\n": "expected the size of a chunk",
    HEAD + b"transfer-encoding: chunked\r\n\r\n1 \r\n": "expected the size of a chunk",
    HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nab\r\n": "a chunk is longer than its size",
    HEAD + b"transfer-encoding: chunked\r\n\r\n1;\n\r\n": "expected the size of a chunk",
    HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n": "a field after the body",
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_gets_an_error_and_the_connection_is_closed(garbage, strict):
    with strict.connect() as connection:
        connection.sendall(garbage)
        status, error = status_and_error(read_all(connection))
    assert status == 400
    assert error.startswith("not a valid HTTP/1.1 request: ")
    assert GARBAGE[garbage] in error
    others_are_served(strict)


def test_endless_headers_are_cut_off(strict):
    more = b"x-more: " + b"x" * 65_536 + b"\r\n"
    with strict.connect() as connection, pytest.raises(OSError):
        send_forever(connection, HEAD, more)
    with strict.connect() as connection, pytest.raises(OSError):
        send_forever(connection, HEAD + b"x-long: ", b"x" * 65_536)
    with strict.connect() as connection:
        connection.sendall(HEAD + b"x: " + b"x" * 70_000)
        status, error = status_and_error(read_all(connection))
    assert (status, error) == (431, "the request has too many or too long header fields")
    others_are_served(strict)


def test_endless_fields_after_a_body_are_cut_off(strict):
    start = HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"
    with strict.connect() as connection, pytest.raises(OSError):
        send_forever(connection, start, b"x-more: " + b"x" * 65_536 + b"\r\n")
    others_are_served(strict)


@pytest.mark.parametrize("size", [1 << 30, 10**17])
def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(size, strict):
    with strict.connect() as connection:
        connection.sendall(HEAD + b"content-length: %d\r\nconnection: close\r\n\r\n" % size)
        status, error = status_and_error(read_all(connection))
    assert (status, error) == (413, f"expected a body of at most 1,048,576 bytes, found {size:,}")


def test_a_client_that_sends_it_all_the_same_can_read_why(strict):
    with strict.connect() as connection:
        connection.sendall(HEAD + b"content-length: 3000000\r\n\r\n" + bytes(3_000_000))
        assert read_answer(connection)[0].startswith(b"HTTP/1.1 413")
        # What was too long has been read over: the connection goes on.
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")


def test_a_body_of_untold_length_has_the_same_limit(strict):
    chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
    with strict.connect() as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk * 17)
        status, error = status_and_error(b"\r\n\r\n".join(read_answer(connection)))
    assert (status, error) == (413, "expected a body of at most 1,048,576 bytes, found more")
    others_are_served(strict)


def test_a_bomb_is_not_unpacked(strict):
    bomb = zlib.compress(bytes(50_000_000), 9)
    status, answer = strict.infer("f2c", bomb, Content_Encoding="deflate")
    assert status == 413
    assert "at most 1,048,576 bytes after decompression" in answer["error"]


def test_json_has_a_limit_of_its_own(strict):
    data = [0.5] * 20_000
    asked = {"inputs": [{**ASKED["inputs"][0], "shape": [20_000], "data": data}]}
    status, answer = strict.infer("f2c", asked)
    assert status == 413
    assert "expected at most 65,536 bytes of JSON, found 1" in answer["error"]
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "t_u",
                    "shape": [20_000],
                    "datatype": "INT8",
                    "parameters": {"binary_data_size": 20_000},
                }
            ]
        }
    ).encode()
    status, answer = strict.infer(
        "f2c", head + bytes(20_000), Inference_Header_Content_Length=str(len(head))
    )
    assert (status, "ask for 'binary_data_output'" in answer["error"]) == (413, True)


@pytest.fixture
def long_request(strict):
    """Return a function that makes a request whose answer is as long as it, four bytes a value."""
    return lambda values: strict.binary_start("f2c", "t_u", values) + bytes(4 * values)


def test_a_client_that_never_reads_is_cut_off(strict, long_request):
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(20)
        deaf.connect(("127.0.0.1", strict.port))
        with pytest.raises(OSError):
            send_forever(deaf, b"", long_request(190_000))
    others_are_served(strict)


def test_memory_in_flight_has_a_limit(strict, wait, long_request):
    request = long_request(200_000)
    crowd = [strict.connect() for _ in range(4)]
    try:
        for connection in crowd:
            connection.sendall(request[:790_000])  # all but the end: held, not answered
        others_are_served(strict)
        answers = [status_and_error(read_all(connection))[0] for connection in crowd]
        assert sorted(set(answers)) == [408, 503]
    finally:
        for connection in crowd:
            connection.close()
    wait(20, lambda: status(strict, request) == 200)  # All of it is given back.


def test_who_goes_away_leaves_nothing(strict, wait, long_request):
    request = long_request(200_000)
    for cut in (10, len(HEAD), len(request) // 2, len(request) - 1, len(request)) * 3:
        with strict.connect() as connection:
            connection.sendall(request[:cut])
    others_are_served(strict)
    # The server learns of a closed connection when its turn comes: until then, 503 is right.
    wait(20, lambda: status(strict, request) == 200)


def test_requests_in_one_piece_are_answered_in_order(strict):
    with strict.connect() as connection:
        one = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
        last = one.replace(b"host: localhost", b"host: localhost\r\nconnection: close")
        connection.sendall(one * 20 + last)
        answers = read_all(connection)
    assert answers.count(b"HTTP/1.1 200 OK") == 21
    assert answers.count(b"35.6209") == 21


def test_long_and_short_requests_share_a_connection(strict, long_request):
    short = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    with strict.connect() as connection:
        both = long_request(100_000) + short
        sender = threading.Thread(target=connection.sendall, args=(both * 2 + both[:-1],))
        sender.start()
        for _ in range(2):
            assert len(read_answer(connection)[1]) > 400_000
            assert b"35.6209" in read_answer(connection)[1]
        assert len(read_answer(connection)[1]) > 400_000
        sender.join()
        connection.sendall(both[-1:])
        assert b"35.6209" in read_answer(connection)[1]


def test_expect_100_continue_is_answered(strict, long_request):
    for request in (HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY, long_request(50_000)):
        head, _, body = request.partition(b"\r\n\r\n")
        with strict.connect() as connection:
            connection.sendall(head + b"\r\nexpect: 100-continue\r\n\r\n")
            assert connection.recv(1 << 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body)
            assert connection.recv(1 << 10).startswith(b"HTTP/1.1 200")


def test_refusals_are_counted(strict):
    before = strict.metric("samebits_errors_total", model="", status="400")
    with strict.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        read_all(connection)
    assert strict.metric("samebits_errors_total", model="", status="400") == before + 1
