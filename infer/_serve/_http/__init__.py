"""HTTP/1.1 for one worker: from bytes on a socket to requests, and from replies back to bytes.

What the rest of the server may rely on:

- A request is handed on only when all of it has arrived: exactly Content-Length bytes, or the last
  chunk and the end of the trailer section. The memory of a body holds bytes of that request alone.
- How a request is framed is decided here, strictly by RFC 9112. What could be read in two ways is
  refused and the connection closed: no byte of a body is ever taken for another request.
- Upgrades are not done, so they are ignored (RFC 9110, 7.8), whatever they ask for.
- Requests of a connection are answered one at a time and in order. While one is being answered, or
  its answer is not taken, no more than a bounded amount of the next ones is read.
- Every wait has a deadline, every size a limit; refusals are reported like other answers.

One file, one job:

    messages    requests, replies, and what an application has to offer
    head        a request's head, to its fields and its framing
    hosts       which Host a request may ask for
    chunks      a chunked body
    filling     a long body, received straight into its memory
    connection  one connection, from its first byte to its last
    server      all of them: accepting, deadlines, stopping

httptools is imported by functions. It sees complete heads only and has no say in framing.
"""
