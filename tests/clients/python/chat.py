"""Chat Completions, embeddings, models, errors and headers, as openai-python sees them."""

import asyncio
import json
import urllib.error

import openai
from openai import AsyncOpenAI
from pydantic import BaseModel

from support import (
    ACME,
    GLOBEX,
    HELLO,
    OPERATOR,
    URL,
    WEATHER,
    call,
    case,
    case_each,
    client,
    counting,
    raises,
    scenario,
    tenant,
    upstream_count,
)


@case_each
def chat(model):
    answer = client().chat.completions.create(model=model, messages=HELLO)
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


@case_each
def stream(model):
    chunks = list(client().chat.completions.create(model=model, messages=HELLO, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "hello from python" in text
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


@case_each
def stream_with_usage(model):
    options = {"include_usage": True}
    chunks = list(client().chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=options))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    plain = client().chat.completions.create(model=model, messages=HELLO)
    assert chunks[-1].usage.total_tokens == plain.usage.total_tokens


@case
def stream_async():
    async def read():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=ACME) as one:
            stream = await one.chat.completions.create(model="sim-small", messages=HELLO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert "hello from python" in asyncio.run(read())


@case_each
def stream_helper(model):
    with client().chat.completions.stream(model=model, messages=HELLO) as stream:
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


@case_each
def tools(model):
    answer = client().chat.completions.create(
        model=model, messages=HELLO, tools=[WEATHER], tool_choice="required"
    )
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].function.name == "get_weather"
    assert isinstance(json.loads(message.tool_calls[0].function.arguments)["city"], str)
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    client().chat.completions.create(model=model, messages=[*HELLO, message, result], tools=[WEATHER])


@case_each
def tools_streamed(model):
    with client().chat.completions.stream(
        model=model, messages=HELLO, tools=[WEATHER], tool_choice="required"
    ) as stream:
        stream.until_done()
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert len(calls) == 1 and calls[0].function.parsed_arguments["city"]


@case_each
def parallel_tools(model):
    both = [WEATHER, {**WEATHER, "function": {**WEATHER["function"], "name": "get_forecast"}}]
    asked = [{"role": "user", "content": "use the tools"}]
    options = {"model": model, "messages": asked, "tools": both, "tool_choice": "required"}
    message = client().chat.completions.create(**options).choices[0].message
    with client().chat.completions.stream(**options) as stream:
        stream.until_done()
        streamed = stream.get_final_completion().choices[0].message
    for calls in (message.tool_calls, streamed.tool_calls):
        assert len(calls) == 2 and len({one.id for one in calls}) == 2, calls
    results = [{"role": "tool", "tool_call_id": one.id, "content": "sunny"} for one in message.tool_calls]
    client().chat.completions.create(model=model, messages=[*asked, message, *results], tools=both)


@case_each
def images(model):
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": pixel}}]
    answer = client().chat.completions.create(model=model, messages=[{"role": "user", "content": parts}])
    assert "what is this" in answer.choices[0].message.content


class Weather(BaseModel):
    city: str
    degrees: int
    sunny: bool


@case_each
def structured_output(model):
    answer = client().chat.completions.parse(model=model, messages=HELLO, response_format=Weather)
    assert isinstance(answer.choices[0].message.parsed, Weather)


@case_each
def structured_output_streamed(model):
    with client().chat.completions.stream(model=model, messages=HELLO, response_format=Weather) as stream:
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
