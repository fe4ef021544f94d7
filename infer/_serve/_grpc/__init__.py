"""The gRPC half of the Open Inference Protocol: what ``infer serve --grpc-port`` adds.

What it guarantees:

- Answers have the bits of ``infer.load(NAME)(x)``, computed by the same functions as over HTTP.
- grpcio is imported in the serving process, never before a fork. The protobuf library is not used:
  its wire format is parsed here, so there is no conflict with another user of that library.
- A message uses memory in proportion to its size, and its limits are checked before anything is
  computed. No call ends with UNKNOWN. INTERNAL means that the model failed; see the log.

The files:

    open_inference.proto  the messages
    messages              reads that file into tables
    wire                  Protobuf's wire format, by these tables
    numbers               from typed contents of a tensor to an array
    inference             from a ModelInferRequest to a ModelInferResponse: plain functions
    limits                how much memory calls may use, and how long they may wait
    service               the calls
    server                threads and port
"""
