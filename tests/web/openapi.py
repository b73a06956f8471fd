"""Checks answers against an OpenAPI document, with Debian's python3-jsonschema.

Standard input: {"document": ..., "answers": [{"path": TEMPLATE, "status": N, "type": MEDIA TYPE, "body": ...}],
"values": [{"schema": NAME, "value": ...}]}. Standard output: a JSON list of what is wrong.

An answer may have no key that the document does not name: what is served has to be described."""

import json
import sys

import jsonschema

given = json.load(sys.stdin)
document = given["document"]
problems = []


def close(schema):
    """Further keys are allowed to clients, and are not to be there yet."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object" and schema.get("required") != ["openapi", "paths"]:
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            close(part)
    elif isinstance(schema, list):
        for part in schema:
            close(part)


def resolve(thing):
    while "$ref" in thing:
        target = document
        for key in thing["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        thing = target
    return thing


def refs(thing):
    if isinstance(thing, dict):
        if isinstance(thing.get("$ref"), str):
            resolve(thing)
        thing = thing.values()
    if not isinstance(thing, str) and hasattr(thing, "__iter__"):
        for part in thing:
            refs(part)


def check(where, schema, value):
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema], "components": document["components"]}
    validator = jsonschema.Draft202012Validator(whole)
    for error in validator.iter_errors(value):
        problems.append(f"{where}: {error.json_path}: {error.message[:500]}")


refs(document)
close(document["components"]["schemas"])
for name, schema in document["components"]["schemas"].items():
    jsonschema.Draft202012Validator.check_schema(schema)
for answer in given["answers"]:
    where = f"{answer['path']} {answer['status']}"
    responses = document["paths"][answer["path"]][answer.get("method", "get")]["responses"]
    response = responses.get(str(answer["status"])) or responses.get("default")
    if response is None:
        problems.append(f"{where}: no such response")
        continue
    kinds = resolve(response).get("content", {})
    kind = answer["type"].split(";")[0]
    if kind not in kinds:
        problems.append(f"{where}: {kind} is not among {list(kinds)}")
        continue
    check(where, kinds[kind]["schema"], answer["body"])
for value in given["values"]:
    check(value["schema"], {"$ref": f"#/components/schemas/{value['schema']}"}, value["value"])
print(json.dumps(problems))
