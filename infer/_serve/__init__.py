"""The server of ``infer serve``: the Open Inference Protocol, version 2, over HTTP and gRPC.

Answers have the bits of ``infer.load(NAME)(x)``. Every size has a limit, every wait a deadline. The
server opens no file that a request names.

The files:

    _settings     all options, limits and their defaults
    _catalog      the served models; reloads them when their folder is replaced
    _tensors      numbers in the protocol's JSON and binary forms, to arrays and back
    _validation   checks a request against its model, for HTTP and gRPC
    _inference    from an inference request to its answer: plain functions, no sockets
    _metadata     metadata of the server and its models
    _openapi      API documentation: /openapi.json and /docs
    _pages        the table of pages that are not part of the protocol
    _application  routes and error handling: from a request to its reply
    _encodings    decompression of bodies, within limits
    _http         HTTP/1.1; see its guarantees there
    _grpc         the protocol over gRPC; see its guarantees there
    _metrics      metrics for Prometheus
    _log          JSON lines on standard error
    _server       one serving process: sockets, signals
    _supervisor   several serving processes

httptools, prometheus_client, orjson and numpy are imported inside functions, so that this package
can be imported without the extra ``serve``.
"""
