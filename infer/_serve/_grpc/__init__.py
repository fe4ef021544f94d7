"""The gRPC half of the Open Inference Protocol: what ``infer serve --grpc-port`` adds.

What this room guarantees to the rest:

- Answers have the bits of ``infer.load(NAME)(x)``, by the same functions as over HTTP.
- grpcio is imported in the process that serves, never before a fork. Protobuf's library is not
  needed: its wire format is read here, so nothing can collide with another user of it.
- A message costs memory in proportion to its size, and nothing is computed before its limits are
  checked. No message ends in UNKNOWN; INTERNAL says that the model failed, and the log says why.

One file, one job:

    open_inference.proto  the messages: the contract
    messages              reads that file into tables
    wire                  Protobuf's wire format to plain values and back, by these tables
    numbers               typed contents of a tensor to an array
    inference             one ModelInferRequest to its ModelInferResponse: plain functions
    limits                how much memory calls may use, and how long they may wait
    service               the calls
    server                the threads that they run in, and the port
"""
