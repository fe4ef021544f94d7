"""The HTTP server behind ``infer serve``: the Open Inference Protocol, version 2.

One file, one job:

    _settings     what the command line decides
    _catalog      which models are served, and reading them again when their folder is replaced
    _tensors      numbers in the protocol's JSON and binary forms, to arrays and back
    _validation   whether a model takes what a request says, over HTTP or gRPC
    _inference    one inference request to its answer: plain functions, no sockets
    _metadata     what the protocol tells about the server and its models
    _openapi      the same for people and for generators of clients: /openapi.json and /docs
    _pages        every page that is not the protocol's: the one table where they are mounted
    _application  routes, limits, errors: from a request to its reply
    _encodings    compressed bodies, unpacked within limits
    _http         HTTP/1.1 itself: a room of its own, with its guarantees at the door
    _grpc         the same over gRPC: a room of its own
    _metrics      what Prometheus reads
    _log          JSON lines on standard error
    _server       one process that serves: sockets, signals
    _supervisor   several of them

httptools, prometheus_client, orjson and numpy are imported by functions: without the extra
``serve``, all of this can still be imported.
"""
