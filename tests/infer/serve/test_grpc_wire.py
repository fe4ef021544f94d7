"""Protobuf's wire format: our reader and writer beside Google's."""

import random

import numpy as np
import pytest
from google.protobuf import descriptor, message
from tritonclient.grpc import model_config_pb2, service_pb2

from infer._serve._errors import RequestError
from infer._serve._grpc import wire
from infer._serve._grpc.messages import schema
from infer._serve._grpc.numbers import from_contents

Triton = service_pb2.DESCRIPTOR
Type = descriptor.FieldDescriptor
KINDS = {
    Type.TYPE_DOUBLE: "double",
    Type.TYPE_FLOAT: "float",
    Type.TYPE_INT64: "int64",
    Type.TYPE_UINT64: "uint64",
    Type.TYPE_INT32: "int32",
    Type.TYPE_UINT32: "uint32",
    Type.TYPE_BOOL: "bool",
    Type.TYPE_STRING: "string",
    Type.TYPE_BYTES: "bytes",
}


def described(found):
    """Return messages and enumerations of a description, by their own names."""
    messages, left = {}, list(found.message_types_by_name.values())
    while left:
        one = left.pop()
        messages[one.name] = one
        left += one.nested_types
    return messages


def kind_and_label(field):
    repeated = field.is_repeated
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        assert inner.fields_by_name["key"].type == Type.TYPE_STRING
        return kind_and_label(inner.fields_by_name["value"])[0], "map"
    kind = inner or field.enum_type
    return kind.name if kind else KINDS[field.type], "repeated" if repeated else ""


def test_every_message_is_the_published_one():
    published = described(Triton) | described(model_config_pb2.DESCRIPTOR)
    left_out = {"ModelConfig", "ModelInput", "ModelOutput"}
    for name, fields in schema().messages.items():
        theirs = {
            field.number: (field.name, *kind_and_label(field), field.containing_oneof)
            for field in published[name].fields
        }
        ours = {field.number: (field.name, field.kind, field.label) for field in fields.values()}
        for number, found in ours.items():
            assert found == theirs[number][:3], name
            assert fields[number].oneof == (theirs[number][3].name if theirs[number][3] else "")
        assert name in left_out or set(ours) == set(theirs)
    enum = model_config_pb2.DESCRIPTOR.enum_types_by_name["DataType"]
    for name, number in schema().enums["DataType"].items():
        assert enum.values_by_name[name].number == number


def random_request(generator):
    """Return a ModelInferRequest with about anything in it."""

    def text():
        return "".join(generator.choices("abc°\u2028𝛑\0", k=generator.randrange(5)))

    def parameters(target):
        for _ in range(generator.randrange(3)):
            one = target[text()]
            kind = generator.choice(["bool", "int64", "string", "double", "uint64", ""])
            if kind:
                value = {
                    "bool": bool(generator.randrange(2)),
                    "int64": generator.randrange(-(1 << 63), 1 << 63),
                    "string": text(),
                    "double": generator.gauss(0, 1),
                    "uint64": generator.randrange(1 << 64),
                }[kind]
                setattr(one, f"{kind}_param", value)

    request = service_pb2.ModelInferRequest(model_name=text(), model_version=text(), id=text())
    parameters(request.parameters)
    for _ in range(generator.randrange(3)):
        shape = [generator.randrange(-5, 1 << 40) for _ in range(generator.randrange(4))]
        tensor = request.inputs.add(name=text(), datatype=text(), shape=shape)
        parameters(tensor.parameters)
        if generator.randrange(2):
            count = range(generator.randrange(4))
            tensor.contents.bool_contents.extend(generator.randrange(2) for _ in count)
            for name, bits, low in [
                ("int", 32, -1),
                ("int64", 64, -1),
                ("uint", 32, 0),
                ("uint64", 64, 0),
            ]:
                top = 1 << (bits + low)
                numbers = [generator.randrange(top * low, top) for _ in count]
                getattr(tensor.contents, f"{name}_contents").extend(numbers)
            tensor.contents.fp32_contents.extend(generator.gauss(0, 1) for _ in count)
            tensor.contents.fp64_contents.extend(generator.gauss(0, 1) for _ in count)
            tensor.contents.bytes_contents.extend(generator.randbytes(3) for _ in count)
    for _ in range(generator.randrange(3)):
        parameters(request.outputs.add(name=text()).parameters)
    request.raw_input_contents.extend(
        generator.randbytes(generator.randrange(9)) for _ in range(generator.randrange(3))
    )
    return request


DTYPES = {
    "bool_contents": "BOOL",
    "int_contents": "INT32",
    "int64_contents": "INT64",
    "uint_contents": "UINT32",
    "uint64_contents": "UINT64",
    "fp32_contents": "FP32",
    "fp64_contents": "FP64",
}


def plain(found):
    """Return one of Google's messages in the form of ours, with numbers as arrays' bytes."""
    fields = {}
    for field, value in found.ListFields():
        kind, label = kind_and_label(field)
        if label == "map":
            fields[field.name] = {key: plain(item) for key, item in value.items()}
        elif kind in schema().messages:
            fields[field.name] = [*map(plain, value)] if label else plain(value)
        elif field.name in DTYPES:
            fields[field.name] = list(value)
        else:
            fields[field.name] = list(value) if label else value
    return fields


def ours(fields, name="ModelInferRequest"):
    """Return a message as we read it in the same form: defaults left out, numbers decoded."""
    found = {}
    for field in schema().messages[name].values():
        value = fields.get(field.name)
        if value is None:
            continue
        if field.label == "map":
            value = {key: ours(item, field.kind) for key, item in value.items()}
        elif field.kind in schema().messages:
            value = [ours(v, field.kind) for v in value] if field.label else ours(value, field.kind)
        elif field.name == "shape":
            value = wire.integers(value)
        elif field.name in DTYPES:
            datatype = DTYPES[field.name]
            data = np.frombuffer(b"".join(value), np.uint8)
            size = {"FP32": 4, "FP64": 8}.get(datatype)
            count = len(data) // size if size else int((data < 128).sum())
            value = from_contents({field.name: value}, datatype, [count], count).tolist()
        elif field.kind == "bytes":
            value = [*map(bytes, value)]
        # A message that is there is not the default, even if it is empty; nor is one of a group.
        single = field.kind in schema().messages and not field.label
        if value or field.oneof or single:
            found[field.name] = value
    return found


def same(mine, theirs):
    """Compare, with nan equal to itself."""
    return repr(sorted_deeply(mine)) == repr(sorted_deeply(theirs))


def sorted_deeply(value):
    if isinstance(value, dict):
        return sorted((key, sorted_deeply(item)) for key, item in value.items())
    return [*map(sorted_deeply, value)] if isinstance(value, list) else value


def test_requests_are_read_as_google_reads_them():
    generator = random.Random(1)  # noqa: S311
    for _ in range(300):
        request = random_request(generator)
        data = request.SerializeToString()
        # One message after the other is both, merged.
        for sent in (data, data + random_request(generator).SerializeToString()):
            theirs = service_pb2.ModelInferRequest.FromString(sent)
            assert same(ours(wire.decode(sent, "ModelInferRequest")), plain(theirs))


def mutated(generator, data):
    """Return bytes with a few of them changed, lost, added or said twice."""
    data = bytearray(data)
    for _ in range(generator.randrange(1, 4)):
        at = generator.randrange(len(data) + 1)
        action = generator.randrange(5)
        if action == 0 and at < len(data):
            data[at] ^= 1 << generator.randrange(8)
        elif action == 1 and at < len(data):
            data[at] = generator.randrange(256)
        elif action == 2:
            del data[at : at + generator.randrange(1, 4)]
        elif action == 3:
            data[at:at] = generator.randbytes(generator.randrange(1, 4))
        else:
            data[at:at] = data[: generator.randrange(len(data) + 1)]
    return bytes(data)


def without_parameters(value):
    """Leave out maps: Google's reader drops an entry that holds an unknown field."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key != "parameters"}
        return {key: without_parameters(item) for key, item in kept.items()}
    return [*map(without_parameters, value)] if isinstance(value, list) else value


def compare_mutations(count, seed):
    """Return how many mutated requests both took, with the same content."""
    generator = random.Random(seed)  # noqa: S311
    both = 0
    for _ in range(count):
        data = mutated(generator, random_request(generator).SerializeToString())
        try:
            theirs = service_pb2.ModelInferRequest.FromString(data)
        except message.DecodeError:
            theirs = None
        try:
            mine = ours(wire.decode(data, "ModelInferRequest"))
        except RequestError:
            mine = None
        # We may refuse more: a packed number that is cut off, or does not fit its field.
        if mine is not None:
            assert theirs is not None, data
            assert same(without_parameters(mine), without_parameters(plain(theirs))), data
            both += 1
    return both


def test_mutated_requests_are_read_as_google_reads_them():
    assert compare_mutations(1500, 2) > 100


@pytest.mark.slow
def test_many_mutated_requests_are_read_as_google_reads_them():
    assert compare_mutations(100_000, 3) > 9_000


def test_answers_are_written_as_google_writes_them():
    values = np.array([1.5, -0.0, np.inf], "<f4")
    answer = {
        "model_name": "m°",
        "model_version": "v",
        "id": "",
        "parameters": {"a": {"bool_param": False}, "b": {"int64_param": -1}},
        "outputs": [
            {
                "name": "y",
                "datatype": "FP32",
                "shape": [0, 1, 1 << 40],
                "contents": {"fp32_contents": values.data.cast("B")},
                "unknown": 1,
            }
        ],
        "raw_output_contents": [memoryview(b""), memoryview(b"abc")],
    }
    data = wire.encode(answer, "ModelInferResponse")
    found = service_pb2.ModelInferResponse.FromString(data)
    assert found.parameters["a"].WhichOneof("parameter_choice") == "bool_param"
    assert found.parameters["b"].int64_param == -1
    assert [*found.outputs[0].shape] == [0, 1, 1 << 40]
    assert np.array(found.outputs[0].contents.fp32_contents, "f4").tobytes() == values.tobytes()
    assert [*found.raw_output_contents] == [b"", b"abc"]
    assert (found.model_name, found.model_version) == ("m°", "v")
    config = {"config": {"input": [{"data_type": "TYPE_FP64", "dims": [-1, 2]}]}}
    data = wire.encode(config, "ModelConfigResponse")
    (tensor,) = service_pb2.ModelConfigResponse.FromString(data).config.input
    assert (tensor.data_type, [*tensor.dims]) == (model_config_pb2.TYPE_FP64, [-1, 2])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x0a", "ends too early"),
        (b"\x0a\x05ab", "ends too early"),
        (b"\x0a\x02\xff\xfe", "not UTF-8"),
        (b"\xff" * 11, "more than ten bytes"),
        (b"\x00\x01", "number 0"),
        (b"\x0f", "wire type 7"),
        (b"\x0c", "a group ends"),
        (b"\x0b\x14", "a group ends"),
        (b"\x0b", "a group does not end"),
        (b"\x0b" * 200, "nested too deeply"),
        (b"\x2a\x03\x1a\x01\x80\x2a\x02\x18\x01", "a number is cut off"),
        (b"\x2a\x05\x2a\x03\x32\x01\x00", "a number is cut off"),
        (b"\x2a\x02\x0a\x09abcdefghi", "ends too early"),  # a name beyond its tensor
    ],
)
def test_what_is_no_message_is_refused(data, problem):
    with pytest.raises(RequestError, match=problem):
        wire.decode(data, "ModelInferRequest")


@pytest.mark.parametrize(
    "data",
    [b"\x2a\x00" * 100_000, (b"\x2a\x80\x01" + b"\x22\x00" * 64) * 1000, b"\x78\x00" * 100_000],
)
def test_very_many_fields_are_refused_before_they_cost_much(data):
    with pytest.raises(RequestError, match="at most 16,384 fields") as error:
        wire.decode(data, "ModelInferRequest")
    assert error.value.status == 413


@pytest.mark.parametrize("datatype", [*DTYPES.values(), "INT8", "UINT8", "INT16", "UINT16"])
def test_typed_numbers_of_every_length(datatype):
    field = {
        "INT8": "int_contents",
        "INT16": "int_contents",
        "UINT8": "uint_contents",
        "UINT16": "uint_contents",
    }.get(datatype) or next(name for name, kind in DTYPES.items() if kind == datatype)
    dtype = {"BOOL": "?", "FP32": "f4", "FP64": "f8"}.get(
        datatype, datatype.lower().replace("uint", "u").replace("int", "i")
    )
    if dtype[0] in "ui":
        dtype = dtype[0] + str(int(dtype[1:]) // 8)
    generator = np.random.default_rng(3)
    # More than one block, with numbers across its end.
    x = generator.integers(0, 256, 400_000, "u1").view(dtype if dtype != "?" else "u1")
    if dtype == "?":
        x = x > 127
    elif dtype[0] in "ui":
        x = x >> generator.integers(0, 8 * x.itemsize, len(x)).astype(dtype)
    else:
        x = x[np.isfinite(x)]
    contents = service_pb2.InferTensorContents(**{field: x.tolist()})
    fields = wire.decode(contents.SerializeToString(), "InferTensorContents")
    found = from_contents(fields, datatype, [len(x)], len(x))
    assert found.dtype == dtype
    assert (found == x).all()
