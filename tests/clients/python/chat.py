"""Chat Completions, models, errors and headers, as openai-python sees them."""

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
    PIXEL,
    URL,
    WEATHER,
    call,
    case,
    case_each,
    case_each_failing,
    client,
    counting,
    failing,
    given_up,
    has_left,
    impatient,
    raises,
    slowly,
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


@case_each
def chat_async(model):
    async def ask():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=ACME) as one:
            answers = [one.chat.completions.create(model=model, messages=HELLO) for _ in range(8)]
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


@case_each
def stream_async(model):
    async def read():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=ACME) as one:
            stream = await one.chat.completions.create(model=model, messages=HELLO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert "hello from python" in asyncio.run(read())


@case_each
def stream_helper(model):
    with client().chat.completions.stream(model=model, messages=HELLO) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert "hello from python" in final.choices[0].message.content


@case_each
def stream_is_cancelled(model):
    path, key = tenant("cancel")
    call("PUT", f"{path}/limits", {"concurrency": 1}, OPERATOR)
    with slowly():
        stream = client(key).chat.completions.create(model=model, messages=HELLO, stream=True)
        next(iter(stream))
        stream.close()
        has_left(path)
    # Its seat is free again.
    client(key).chat.completions.create(model=model, messages=HELLO)


@case_each
def stream_is_cancelled_async(model):
    path, key = tenant("cancel-async")

    async def read():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=key) as one:
            async with await one.chat.completions.create(model=model, messages=HELLO, stream=True) as stream:
                async for _ in stream:
                    break

    with slowly():
        asyncio.run(read())
        has_left(path)


@case_each
def chat_is_cancelled(model):
    path, key = tenant("give-up")

    async def ask():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=key) as one:
            await given_up(one.chat.completions.create(model=model, messages=HELLO))

    with slowly(latency_ms=10_000):
        asyncio.run(ask())
        has_left(path)


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
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    asked = lambda parts: {"model": model, "messages": [{"role": "user", "content": parts}]}
    text = {"type": "text", "text": "what is this"}
    plain = client().chat.completions.create(**asked([text]))
    answer = client().chat.completions.create(**asked([text, picture]))
    assert "what is this" in answer.choices[0].message.content
    assert answer.usage.prompt_tokens == plain.usage.prompt_tokens + 85, "the image came through"
    with client().chat.completions.stream(**asked([text, picture])) as stream:
        stream.until_done()
        assert "what is this" in stream.get_final_completion().choices[0].message.content


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


@case_each_failing
def provider_errors(model):
    one = client(impatient("upstream"), max_retries=0)
    for more in ({}, {"stream": True}):
        ask = lambda: one.chat.completions.create(model=model, messages=HELLO, **more)
        with failing("server_error"):
            error = raises(openai.InternalServerError, ask)
        assert (error.status_code, error.code) == (502, "provider_failed"), error.body
        with failing("rate_limit"):
            error = raises(openai.RateLimitError, ask)
        assert error.code == "provider_rate_limited" and error.response.headers["retry-after"], error.body


@case_each_failing
def a_provider_that_fails_for_a_while_is_retried_by_the_sdk(model):
    one, sent = counting(impatient("mended"), max_retries=5)
    with failing("server_error"):
        raises(openai.InternalServerError, lambda: one.with_options(max_retries=1).chat.completions.create(model=model, messages=HELLO))
    assert len(sent) == 2, f"{len(sent)} requests went out"
    one.chat.completions.create(model=model, messages=HELLO)
    assert len(sent) == 3, f"{len(sent)} requests went out"


@case_each_failing
def error_in_the_stream(model):
    one = client(impatient("broken-stream"))
    for kind in ("reset", "error_in_stream"):
        seen = []

        def read():
            for chunk in one.chat.completions.create(model=model, messages=HELLO, stream=True):
                seen.append(chunk)

        with failing(kind, chunks=8):
            error = raises(openai.APIError, read)
        assert seen and all(chunk.choices[0].finish_reason is None for chunk in seen), seen
        assert error.code == "provider_failed", error.body


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
    # A request comes back every two seconds: any machine sends faster.
    call("PUT", f"{path}/limits", {"requests_per_minute": 30}, OPERATOR)
    one, sent = counting(key, max_retries=5)
    answered = 0
    while len(sent) == answered:
        assert answered < 200, "none was refused"
        one.chat.completions.create(model="sim-small", messages=HELLO)
        answered += 1
    assert len(sent) > answered >= 30, (len(sent), answered)


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
