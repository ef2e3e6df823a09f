"""What all cases need: addresses and keys, clients, and the list of cases."""

import json
import os
import pathlib
import urllib.request

import openai
from openai import OpenAI

URL = os.environ["INSULA_URL"]
ACME = os.environ["INSULA_ACME_KEY"]
GLOBEX = os.environ["INSULA_GLOBEX_KEY"]
OPERATOR = os.environ["INSULA_OPERATOR_KEY"]
SIMULATOR = os.environ["INSULA_SIMULATOR_URL"]

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


def upstream_count():
    return call("GET", f"{SIMULATOR}/_sim/count")["count"]


def tenant(slug):
    """A fresh tenant: its path and a key."""
    path = f"{URL}/api/v1/tenants"
    created = call("POST", path, {"slug": f"py-{slug}", "name": slug}, OPERATOR)
    path = f"{path}/{created['id']}"
    return path, call("POST", f"{path}/keys", {"name": "python"}, OPERATOR)["key"]


def client(key=ACME, **options):
    return OpenAI(base_url=f"{URL}/v1", api_key=key, **options)


def counting(key=ACME):
    """A client, and the list of the requests that it really sent."""
    sent = []
    http = openai.DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(request)]})
    return client(key, http_client=http), sent


def raises(kind, function):
    try:
        function()
    except kind as error:
        assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}"
        return error
    raise AssertionError(f"no {kind.__name__}")
