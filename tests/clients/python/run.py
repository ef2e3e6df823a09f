"""The vendor's own Python SDK, unchanged, against `insula dev`.

Takes what `dev.env` says from the environment; prints one line a case and `N passed, M failed` last.
"""

import asyncio
import json
import os
import sys
import time
import traceback
import urllib.error
import urllib.request

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

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

CASES = []


def case(function):
    CASES.append(function)
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


@case
def chat():
    answer = client().chat.completions.create(model="sim-small", messages=HELLO)
    assert "hello from python" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id.startswith("req_"), answer._request_id


@case
def chat_async():
    async def ask():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=ACME) as one:
            answers = [one.chat.completions.create(model="sim-small", messages=HELLO) for _ in range(8)]
            return await asyncio.gather(*answers)

    texts = {answer.choices[0].message.content for answer in asyncio.run(ask())}
    assert len(texts) == 1, "the same question has the same answer"


@case
def stream():
    chunks = list(client().chat.completions.create(model="sim-small", messages=HELLO, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "hello from python" in text
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


@case
def stream_with_usage():
    options = {"include_usage": True}
    chunks = list(client().chat.completions.create(model="sim-small", messages=HELLO, stream=True, stream_options=options))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    plain = client().chat.completions.create(model="sim-small", messages=HELLO)
    assert chunks[-1].usage.total_tokens == plain.usage.total_tokens


@case
def stream_async():
    async def read():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=ACME) as one:
            stream = await one.chat.completions.create(model="sim-small", messages=HELLO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert "hello from python" in asyncio.run(read())


@case
def stream_helper():
    with client().chat.completions.stream(model="sim-small", messages=HELLO) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert "hello from python" in final.choices[0].message.content


@case
def stream_is_cancelled():
    path, key = tenant("cancel")
    call("PUT", f"{path}/limits", {"concurrency": 1}, OPERATOR)
    scenario(chunks=50, gap_ms=100)
    stream = client(key).chat.completions.create(model="sim-small", messages=HELLO, stream=True)
    next(iter(stream))
    stream.close()
    scenario()
    # The seat comes free: the SDK's own retries are enough to see it.
    client(key, max_retries=10).chat.completions.create(model="sim-small", messages=HELLO)


@case
def tools():
    answer = client().chat.completions.create(
        model="sim-small", messages=HELLO, tools=[WEATHER], tool_choice="required"
    )
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].function.name == "get_weather"
    assert isinstance(json.loads(message.tool_calls[0].function.arguments)["city"], str)
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    client().chat.completions.create(model="sim-small", messages=[*HELLO, message, result], tools=[WEATHER])


@case
def tools_streamed():
    with client().chat.completions.stream(
        model="sim-small", messages=HELLO, tools=[WEATHER], tool_choice="required"
    ) as stream:
        stream.until_done()
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert len(calls) == 1 and calls[0].function.parsed_arguments["city"]


class Weather(BaseModel):
    city: str
    degrees: int
    sunny: bool


@case
def structured_output():
    answer = client().chat.completions.parse(model="sim-small", messages=HELLO, response_format=Weather)
    assert isinstance(answer.choices[0].message.parsed, Weather)


@case
def structured_output_streamed():
    with client().chat.completions.stream(model="sim-small", messages=HELLO, response_format=Weather) as stream:
        stream.until_done()
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(parsed, Weather)


@case
def embeddings():
    # The SDK asks for base64 by itself and unpacks it.
    packed = client().embeddings.create(model="sim-embed", input=["one", "two"])
    floats = client().embeddings.create(model="sim-embed", input=["one", "two"], encoding_format="float")
    assert len(packed.data) == 2
    for one, other in zip(packed.data, floats.data):
        assert len(one.embedding) == len(other.embedding)
        assert all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, other.embedding))
    assert packed.usage.prompt_tokens > 0


@case
def models():
    names = {model.id for model in client().models.list()}
    assert {"sim-small", "sim-large", "sim-embed"} <= names, names
    assert client().models.retrieve("sim-small").id == "sim-small"


@case
def authentication_error():
    error = raises(openai.AuthenticationError, lambda: client("sk-wrong").models.list())
    assert error.status_code == 401 and error.code == "invalid_api_key", error.body


@case
def permission_error():
    error = raises(openai.PermissionDeniedError, lambda: client(OPERATOR).models.list())
    assert error.status_code == 403, error.body


@case
def not_found_error():
    def ask():
        client().chat.completions.create(model="gpt-nonesuch", messages=HELLO)

    error = raises(openai.NotFoundError, ask)
    assert (error.code, error.param) == ("model_not_found", "model"), error.body
    raises(openai.NotFoundError, lambda: client().models.retrieve("gpt-nonesuch"))


@case
def bad_request_error():
    def ask():
        client().chat.completions.create(model="sim-small", messages=HELLO, max_tokens=-1)

    error = raises(openai.BadRequestError, ask)
    assert error.param == "max_tokens" and error.type == "invalid_request_error", error.body


@case
def conflict_and_mismatch_errors():
    header = {"Idempotency-Key": "python-mismatch"}
    client().chat.completions.create(model="sim-small", messages=HELLO, extra_headers=header)

    def ask():
        other = [{"role": "user", "content": "something else"}]
        client().chat.completions.create(model="sim-small", messages=other, extra_headers=header)

    raises(openai.UnprocessableEntityError, ask)


@case
def internal_server_error():
    _, key = tenant("upstream-500")
    scenario(faults=[{"kind": "server_error", "rate": 1}])
    try:
        error = raises(openai.InternalServerError, lambda: client(key, max_retries=0).chat.completions.create(model="sim-small", messages=HELLO))
    finally:
        scenario()
    assert error.status_code == 502, error.body


@case
def error_in_the_stream():
    _, key = tenant("broken-stream")
    scenario(chunks=8, faults=[{"kind": "reset", "rate": 1}])
    seen = []
    try:
        def read():
            for chunk in client(key).chat.completions.create(model="sim-small", messages=HELLO, stream=True):
                seen.append(chunk)

        error = raises(openai.APIError, read)
    finally:
        scenario()
    assert seen and all(chunk.choices[0].finish_reason is None for chunk in seen)
    assert error.code, error.body


@case
def a_budget_refusal_is_not_retried():
    path, key = tenant("budget")
    call("PUT", f"{path}/budgets", [{"window": "month", "limit_usd": "0"}], OPERATOR)
    one, sent = counting(key)
    before = upstream_count()
    error = raises(openai.RateLimitError, lambda: one.chat.completions.create(model="sim-small", messages=HELLO))
    assert error.code == "budget_exceeded", error.body
    assert len(sent) == 1, f"{len(sent)} requests went out"
    assert upstream_count() == before
    for member in ("level", "window", "unit", "used", "limit", "resets_at"):
        assert member in error.body, error.body

    async def ask():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=key) as other:
            await other.chat.completions.create(model="sim-small", messages=HELLO, stream=True)

    raises(openai.RateLimitError, lambda: asyncio.run(ask()))


@case
def a_rate_limit_is_retried():
    path, key = tenant("rate")
    call("PUT", f"{path}/limits", {"requests_per_minute": 60}, OPERATOR)
    one, sent = counting(key)
    one = one.with_options(max_retries=5)
    for _ in range(62):
        one.chat.completions.create(model="sim-small", messages=HELLO)
    assert len(sent) > 62, "at least one request was refused and sent again"


@case
def an_idempotent_request_is_sent_upstream_once():
    header = {"Idempotency-Key": "python-once"}
    before = upstream_count()
    ask = lambda: client().chat.completions.create(model="sim-small", messages=HELLO, extra_headers=header)
    first, second = ask(), ask()
    assert first == second
    assert upstream_count() == before + 1


@case
def the_project_and_organization_choose_no_tenant():
    _, key = tenant("project")
    answer = client(key, project="globex", organization="acme").chat.completions.with_raw_response.create(
        model="sim-small", messages=HELLO, user="globex"
    )
    request = answer.headers["x-request-id"]
    # Whose request it was: only its own tenant can read it.
    for other in (ACME, GLOBEX):
        try:
            call("GET", f"{URL}/api/v1/requests/{request}", key=other)
        except urllib.error.HTTPError as refused:
            assert refused.code == 404, refused
        else:
            raise AssertionError("another tenant reads the request")


@case
def rate_limit_headers_are_visible():
    path, key = tenant("headers")
    call("PUT", f"{path}/limits", {"requests_per_minute": 100, "tokens_per_minute": 100000}, OPERATOR)
    answer = client(key).chat.completions.with_raw_response.create(model="sim-small", messages=HELLO)
    assert answer.headers["x-ratelimit-limit-requests"] == "100"
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 100000


def lines(count):
    """The lines of a batch, as the vendor's guide writes them."""
    body = lambda n: {"model": "sim-small", "messages": [{"role": "user", "content": f"line {n}"}]}
    line = lambda n: {"custom_id": f"line-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body(n)}
    return "\n".join(json.dumps(line(n)) for n in range(count)).encode()


@case
def files():
    one = client(tenant("files")[1])
    made = one.files.create(file=("lines.jsonl", lines(3)), purpose="batch")
    assert (made.object, made.filename, made.bytes) == ("file", "lines.jsonl", len(lines(3)))
    more = [one.files.create(file=("more.jsonl", b"x"), purpose="batch").id for _ in range(4)]
    assert one.files.retrieve(made.id).id == made.id
    assert one.files.content(made.id).read() == lines(3)
    # Page by page.
    assert sorted(file.id for file in one.files.list(limit=2)) == sorted([made.id, *more])
    assert one.files.delete(made.id).deleted
    raises(openai.NotFoundError, lambda: one.files.retrieve(made.id))
    raises(openai.NotFoundError, lambda: client().files.content(more[0]))
    raises(openai.BadRequestError, lambda: one.files.create(file=("x", b"x"), purpose="assistants"))


@case
def batches():
    one = client(tenant("batches")[1])
    made = one.files.create(file=("lines.jsonl", lines(20)), purpose="batch")
    options = {"input_file_id": made.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = one.batches.create(**options, metadata={"for": "the tests"})
    assert (batch.object, batch.metadata) == ("batch", {"for": "the tests"})
    deadline = time.monotonic() + 60
    while one.batches.retrieve(batch.id).status != "completed":
        assert time.monotonic() < deadline, one.batches.retrieve(batch.id)
        time.sleep(0.1)
    batch = one.batches.retrieve(batch.id)
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (20, 20, 0)
    assert batch.errors is None and batch.error_file_id is None
    answers = [json.loads(line) for line in one.files.content(batch.output_file_id).text.splitlines()]
    assert sorted(answer["custom_id"] for answer in answers) == sorted(f"line-{n}" for n in range(20))
    assert all(answer["response"]["body"]["choices"] for answer in answers)
    assert [found.id for found in one.batches.list()] == [batch.id]
    raises(openai.ConflictError, lambda: one.with_options(max_retries=0).batches.cancel(batch.id))
    raises(openai.NotFoundError, lambda: client().batches.retrieve(batch.id))


@case
def a_wrong_batch_says_what_is_wrong():
    one = client(tenant("wrong-batch")[1])
    made = one.files.create(file=("lines.jsonl", lines(2) + b"\n{"), purpose="batch")
    batch = one.batches.create(input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h")
    deadline = time.monotonic() + 60
    while one.batches.retrieve(batch.id).status != "failed":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    [error] = one.batches.retrieve(batch.id).errors.data
    assert (error.line, error.code) == (3, "invalid_json_line"), error


def main():
    failed = 0
    for function in CASES:
        try:
            function()
            print(f"ok      {function.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED  {function.__name__}\n{traceback.format_exc()}")
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
