"""HTTP/1.1 for one worker: from bytes on a socket to requests, and from replies back to bytes.

What it guarantees:

- A request is passed on only when it is complete: exactly Content-Length bytes, or the last chunk
  and the end of the trailer section. The memory of a body contains only bytes of that request.
- Framing is decided here, strictly by RFC 9112. An ambiguous request is rejected and the connection
  closed: no byte of a body is ever interpreted as another request.
- Upgrades are not supported, so offers of any are ignored (RFC 9110, 7.8).
- Requests on a connection are answered one at a time and in order. While a request is answered, or
  its answer is not read, only a bounded amount of further input is read.
- Every wait has a deadline, every size a limit. Rejections are logged and counted like answers.

The files:

    messages    requests, replies, and the interface of the application
    head        parsing of request heads
    hosts       accepted values of the Host header
    chunks      chunked bodies
    filling     long bodies, received directly into their memory
    connection  one connection
    server      all connections: accepting, deadlines, shutdown

httptools is imported inside functions. It sees only complete heads and does not decide framing.
"""
