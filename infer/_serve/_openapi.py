"""API documentation, for client generators (/openapi.json) and for people (/docs)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import Any

from infer._serve._catalog import ServedModel
from infer._serve._tensors import DATATYPES, OF_DTYPE

_REF = "#/components/schemas/"
_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
# Statuses that any request may get.
_ALWAYS = (400, 405, 408, 413, 417, 421, 431, 503)
_SHAPE = {"type": "array", "items": {"type": "integer", "minimum": 0}}


def document(models: Iterable[ServedModel]) -> dict[str, Any]:
    """Return the OpenAPI document for the models that are served."""
    from importlib.metadata import version

    models = list(models)
    infer = _operation("Compute the model", "InferenceAnswer", errors=(404, 415))
    infer["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": f"{_REF}InferenceRequest"},
                "examples": {served.card.name: {"value": _example(served)} for served in models},
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
    infer["parameters"] = [
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "description": "Number of bytes of JSON in the body, if binary data follows.",
            "schema": {"type": "integer", "minimum": 0},
        },
        {
            "name": "Content-Encoding",
            "in": "header",
            "description": "Compression of the body, if any.",
            "schema": {"enum": ["gzip", "deflate"], **_TEXT},
        },
    ]
    of_model = {
        "": ("get", _operation("Get the model's metadata", "Object", errors=(404,))),
        "/ready": ("get", _operation("Check whether the model is ready", "Object", errors=(404,))),
        "/config": ("get", _operation("Get the model's configuration", "Object", errors=(404,))),
        "/infer": ("post", infer),
    }
    index = _operation("List the models", "Index")
    index["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
    paths: dict[str, Any] = {
        "/v2": {"get": _operation("Get the server's metadata", "Object")},
        "/v2/health/live": {"get": _operation("Check whether the server is live", "Object")},
        "/v2/health/ready": {"get": _operation("Check whether the server is ready", "Object")},
        "/v2/repository/index": {"post": index},
    }
    name = _in_path("model", {"enum": [served.card.name for served in models], **_TEXT})
    for start, more in (("", []), ("/versions/{version}", [_in_path("version", _TEXT)])):
        for end, (method, operation) in of_model.items():
            path = f"/v2/models/{{model}}{start}{end}"
            paths[path] = {"parameters": [name, *more], method: operation}
    plain = {"200": {"description": "Text", "content": {"text/plain": {"schema": _TEXT}}}}
    paths["/metrics"] = {"get": {"summary": "Get metrics, for Prometheus", "responses": plain}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "samebits",
            "version": version("samebits"),
            "description": "The Open Inference Protocol, version 2. In JSON, NaN, Infinity and "
            "-Infinity are written as these bare words.",
        },
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def page(described: dict[str, Any]) -> str:
    """Return the OpenAPI document as one self-contained HTML page."""
    sections = []
    for path, item in described["paths"].items():
        for method in ("get", "post"):
            if method in item:
                sections.append(_section(path, method, item[method]))
    info = described["info"]
    return _PAGE.format(
        title=escape(info["title"]),
        version=escape(info["version"]),
        description=escape(info["description"]),
        sections="\n".join(sections),
        schemas=escape(json.dumps(described["components"]["schemas"], indent=2)),
    )


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    statuses = ", ".join(
        f"{status} {escape(answer['description'])}"
        for status, answer in operation["responses"].items()
    )
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = "".join(
        f"<h3>{escape(name)}</h3><pre>{escape(json.dumps(example['value']))}</pre>"
        for name, example in content.get("examples", {}).items()
    )
    shown = f"<details><summary>Examples</summary>{examples}</details>" if examples else ""
    return (
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(operation['summary'])}. {statuses}.</p>{shown}</section>"
    )


def _operation(summary: str, schema: str, errors: tuple[int, ...] = ()) -> dict[str, Any]:
    responses = {"200": _response("An answer", schema)}
    statuses = sorted({*errors, *_ALWAYS})
    responses |= {str(status): _response(HTTPStatus(status).phrase, "Error") for status in statuses}
    return {"summary": summary, "responses": responses}


def _response(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"{_REF}{schema}"}}}
    return {"description": description, "content": content}


def _in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _example(served: ServedModel) -> dict[str, Any]:
    card = served.card
    middle = [low / 2 + high / 2 for low, high in card.domain]
    shape = [1] if card.features is None else [1, card.features]
    datatype = OF_DTYPE[card.dtype]
    tensor = {"name": card.input.name, "shape": shape, "datatype": datatype, "data": middle}
    return {"inputs": [tensor]}


def _schemas() -> dict[str, Any]:
    tensor = {"name": _TEXT, "shape": _SHAPE, "datatype": {"enum": list(DATATYPES), **_TEXT}}
    data = {"type": "array", "description": "The values, flat or nested."}
    size = {"type": "object", "properties": {"binary_data_size": {"type": "integer"}}}
    one = {"type": "array", "minItems": 1, "maxItems": 1}
    with_data = {**tensor, "data": data, "parameters": size}
    source = {"type": "object", "required": [*tensor], "properties": with_data}
    asked = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": _TEXT,
            "parameters": {"type": "object", "properties": {"binary_data": _FLAG}},
        },
    }
    return {
        "Error": {"type": "object", "required": ["error"], "properties": {"error": _TEXT}},
        "Object": {"type": "object"},
        "Index": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": _TEXT, "version": _TEXT, "state": _TEXT, "reason": _TEXT},
            },
        },
        "InferenceRequest": {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": _TEXT,
                "parameters": {"type": "object", "properties": {"binary_data_output": _FLAG}},
                "inputs": {**one, "items": source},
                "outputs": {**one, "items": asked},
            },
        },
        "InferenceAnswer": {
            "type": "object",
            "required": ["model_name", "model_version", "outputs"],
            "properties": {
                "model_name": _TEXT,
                "model_version": _TEXT,
                "id": _TEXT,
                "outputs": {**one, "items": source},
            },
        },
    }


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}: API</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: auto; padding: 1rem }}
h2 {{ font-size: 1rem; margin: 1.5rem 0 0 }}
h3 {{ font-size: .9rem; margin: .5rem 0 0 }}
p {{ margin: .2rem 0 }}
pre {{ overflow-x: auto; padding: .5rem; border: 1px solid; border-radius: .3rem }}
</style>
<h1>{title} {version}</h1>
<p>{description} Machine-readable: <a href="/openapi.json">openapi.json</a>.</p>
{sections}
<details><summary>Schemas</summary><pre>{schemas}</pre></details>
</html>
"""
