"""What all cases need: addresses and keys, clients, and the list of cases."""

import asyncio
import contextlib
import itertools
import json
import os
import pathlib
import time
import urllib.request

import openai
from openai import OpenAI

URL = os.environ["INSULA_URL"]
ACME = os.environ["INSULA_ACME_KEY"]
GLOBEX = os.environ["INSULA_GLOBEX_KEY"]
OPERATOR = os.environ["INSULA_OPERATOR_KEY"]
SIMULATOR = os.environ["INSULA_SIMULATOR_URL"]

# A picture of one pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

HELLO = [{"role": "user", "content": "hello from python"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}

WITHIN_S = 60  # Slow machines: as long nothing is given up that is waited for.

# Models by the form that their provider speaks: what a vendor's SDK can do must work with each.
MODELS = json.loads((pathlib.Path(__file__).parent.parent / "models.json").read_text())

CASES = []


def case(function):
    """A case that is run once."""
    CASES.append((f"{function.__module__}: {function.__name__}", function))
    return function


def case_each(function):
    """A case that is run with the models of each provider."""
    for form, models in MODELS.items():
        CASES.append((f"{function.__module__}: {function.__name__} ({form})", lambda models=models: function(models["chat"])))
    return function


def case_each_embedding(function):
    """A case that is run with the embeddings of each provider that has any."""
    for form, models in MODELS.items():
        if "embed" in models:
            CASES.append((f"{function.__module__}: {function.__name__} ({form})", lambda models=models: function(models["embed"])))
    return function


SPARE = {form: itertools.count(1) for form in MODELS}


def case_each_failing(function=None, *, forms=tuple(MODELS)):
    """A case in which each provider fails, at a model that no other case uses: what fails is avoided for a while."""
    if function is None:
        return lambda function: case_each_failing(function, forms=forms)
    for form in forms:
        model = f"{MODELS[form]['spare']}-{next(SPARE[form])}"
        CASES.append((f"{function.__module__}: {function.__name__} ({form})", lambda model=model: function(model)))
    return function


def call(method, url, body=None, key=None):
    """A plain HTTP call, for what is no SDK's business: management and the simulator."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def scenario(**fields):
    call("POST", f"{SIMULATOR}/_sim/scenario", fields)


@contextlib.contextmanager
def failing(kind, **more):
    """While every request meets this fault."""
    scenario(faults=[{"kind": kind, "rate": 1}], **more)
    try:
        yield
    finally:
        scenario()


@contextlib.contextmanager
def slowly(**fields):
    """While answers take their time: streams ten seconds, far more than anybody waits for who reads on for a caller that left."""
    scenario(**(fields or {"chunks": 50, "gap_ms": 200}))
    try:
        yield
    finally:
        scenario()


def upstream_count():
    return call("GET", f"{SIMULATOR}/_sim/count")["count"]


TENANTS = itertools.count(1)


def tenant(slug):
    """A fresh tenant: its path and a key."""
    path = f"{URL}/api/v1/tenants"
    created = call("POST", path, {"slug": f"py-{slug}-{next(TENANTS)}", "name": slug}, OPERATOR)
    path = f"{path}/{created['id']}"
    return path, call("POST", f"{path}/keys", {"name": "python"}, OPERATOR)["key"]


def impatient(slug):
    """The same, of a tenant whose requests are tried once: a failure is told at once."""
    path, key = tenant(slug)
    call("PUT", f"{path}/routing", {"attempts_max": 1}, OPERATOR)
    return key


async def given_up(asked):
    """Gives a call up once it has reached its provider."""
    before = upstream_count()
    task = asyncio.ensure_future(asked)
    while await asyncio.to_thread(upstream_count) == before:
        await asyncio.sleep(0.05)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
    raise AssertionError("it was answered")


def has_left(path):
    """Waits until it is known that the caller of a tenant's only request has left: it is billed an estimate, and its provider was not
    waited for."""
    deadline = time.monotonic() + WITHIN_S
    while not (requests := call("GET", f"{path}/requests", key=OPERATOR)["data"]):
        assert time.monotonic() < deadline, "the request is not over"
        time.sleep(0.05)
    [request] = requests
    [attempt] = call("GET", f"{URL}/api/v1/requests/{request['id']}", key=OPERATOR)["attempts"]
    assert attempt["estimated"], attempt
    sent = call("GET", f"{SIMULATOR}/_sim/requests?fields=light")["data"]
    [finished] = [one["finished"] for one in sent if one["attempt_id"] == attempt["id"]]
    assert not finished, attempt


def client(key=ACME, **options):
    return OpenAI(base_url=f"{URL}/v1", api_key=key, **options)


def counting(key=ACME, **options):
    """A client, and the list of the requests that it really sent."""
    sent = []
    http = openai.DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(request)]})
    return client(key, http_client=http, **options), sent


def raises(kind, function):
    try:
        function()
    except kind as error:
        assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}"
        return error
    raise AssertionError(f"no {kind.__name__}")
