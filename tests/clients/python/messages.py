"""Anthropic's own SDK, unchanged, with the models of each provider."""

import asyncio
import base64

import anthropic
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel

from support import (
    ACME,
    HELLO,
    MODELS,
    OPERATOR,
    PIXEL,
    URL,
    call,
    case_each,
    case_each_failing,
    failing,
    given_up,
    has_left,
    impatient,
    raises,
    slowly,
    tenant,
    upstream_count,
)

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
WEATHER = {"name": "get_weather", "description": "The weather in a city", "input_schema": SCHEMA}
TIME = {"name": "get_time", "description": "The time in a city", "input_schema": SCHEMA}


def client(key=ACME, **options):
    return Anthropic(base_url=URL, api_key=key, **options)


def ask(model, said="hello from python", one=None, **more):
    more = {"max_tokens": 1000, "messages": [{"role": "user", "content": said}], **more}
    return (one or client()).messages.create(model=model, **more)


@case_each
def chat(model):
    answer = ask(model, system="Be kind.")
    assert "hello from python" in answer.content[0].text
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    assert answer._request_id.startswith("req_"), answer._request_id


@case_each
def chat_async(model):
    async def gather():
        async with AsyncAnthropic(base_url=URL, api_key=ACME) as one:
            return await asyncio.gather(
                *[one.messages.create(model=model, max_tokens=1000, messages=HELLO) for _ in range(8)]
            )

    texts = {answer.content[0].text for answer in asyncio.run(gather())}
    assert len(texts) == 1, "the same question has the same answer"


@case_each
def a_bearer_opens_as_well(model):
    answer = ask(model, one=Anthropic(base_url=URL, auth_token=ACME, api_key=None))
    assert answer.stop_reason == "end_turn"


@case_each
def stream(model):
    whole = ask(model)
    with client().messages.stream(model=model, max_tokens=1000, messages=HELLO) as streaming:
        text = "".join(streaming.text_stream)
        final = streaming.get_final_message()
    assert text == whole.content[0].text == final.content[0].text
    assert final.stop_reason == "end_turn"
    assert final.usage.input_tokens == whole.usage.input_tokens
    assert final.usage.output_tokens == whole.usage.output_tokens


@case_each
def raw_stream(model):
    events = list(client().messages.create(model=model, max_tokens=1000, messages=HELLO, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"], kinds
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"], kinds


@case_each
def tools(model):
    answer = ask(model, "use the tool", tools=[WEATHER, TIME])
    assert answer.stop_reason == "tool_use"
    wanted = answer.content[0]
    assert wanted.name == "get_weather" and isinstance(wanted.input["city"], str)
    messages = [
        {"role": "user", "content": "use the tool"},
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": wanted.id, "content": "sunny", "is_error": False}]},
    ]
    answer = ask(model, tools=[WEATHER, TIME], messages=messages)
    assert answer.stop_reason == "end_turn" and answer.content[0].text


@case_each
def tools_stream(model):
    with client().messages.stream(
        model=model, max_tokens=1000, messages=HELLO, tools=[TIME], tool_choice={"type": "tool", "name": "get_time"}
    ) as streaming:
        final = streaming.get_final_message()
    assert final.stop_reason == "tool_use"
    assert final.content[0].name == "get_time" and isinstance(final.content[0].input["city"], str)


@case_each
def parallel_tools(model):
    """Several calls in one turn, whole and streamed, and their results in the next."""
    answer = ask(model, "use the tools", tools=[WEATHER, TIME])
    asked = [{"role": "user", "content": "use the tools"}]
    with client().messages.stream(model=model, max_tokens=1000, messages=asked, tools=[WEATHER, TIME]) as streaming:
        streamed = streaming.get_final_message()
    for message in (streamed, answer):
        calls = [block for block in message.content if block.type == "tool_use"]
        assert {block.name for block in calls} == {"get_weather", "get_time"}, message.content
        assert len({block.id for block in calls}) == 2 and all(block.input["city"] for block in calls), calls
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": "fine"} for block in calls]
    messages = [
        {"role": "user", "content": "use the tools"},
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": results},
    ]
    assert ask(model, tools=[WEATHER, TIME], messages=messages).stop_reason == "end_turn"


@case_each
def structured_output(model):
    answer = ask(model, output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
    assert answer.content[0].text.startswith('{"city"'), answer.content


class City(BaseModel):
    city: str


@case_each
def structured_output_parsed(model):
    one = client()
    options = {"model": model, "max_tokens": 1000, "messages": HELLO, "output_format": City}
    assert isinstance(one.messages.parse(**options).parsed_output, City)
    with one.messages.stream(**options) as streaming:
        assert isinstance(streaming.get_final_message().parsed_output, City)


@case_each
def images(model):
    assert base64.b64decode(PIXEL)
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    linked = {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}}
    plain = ask(model, [{"type": "text", "text": "What is this?"}])
    answer = ask(model, [{"type": "text", "text": "What is this?"}, picture, picture])
    assert answer.usage.input_tokens == plain.usage.input_tokens + 2 * 85
    if model == MODELS["gemini"]["chat"]:
        raises(anthropic.BadRequestError, lambda: ask(model, [linked]))
    else:
        assert ask(model, [{"type": "text", "text": "What is this?"}, picture, linked]).usage == answer.usage


@case_each
def errors(model):
    wrong = raises(anthropic.AuthenticationError, lambda: ask(model, one=client("ins_live_nonsense")))
    assert wrong.request_id.startswith("req_") and wrong.body["error"]["type"] == "authentication_error"
    raises(anthropic.NotFoundError, lambda: ask("claude-9"))
    raises(anthropic.BadRequestError, lambda: ask(model, max_tokens=0))
    path, key = tenant(f"broke-{model}")
    call("PUT", f"{path}/budgets", [{"window": "month", "limit_usd": "0.000001"}], OPERATOR)
    before = upstream_count()
    refused = raises(anthropic.RateLimitError, lambda: ask(model, one=client(key)))
    assert refused.body["error"]["code"] == "budget_exceeded"
    assert upstream_count() == before


@case_each_failing
def provider_errors(model):
    one = client(impatient("failing"), max_retries=0)
    for more in ({}, {"stream": True}):
        with failing("server_error"):
            raises(anthropic.InternalServerError, lambda: ask(model, one=one, **more))
        with failing("rate_limit"):
            raises(anthropic.RateLimitError, lambda: ask(model, one=one, **more))


@case_each_failing
def error_in_the_stream(model):
    one = client(impatient("failing-stream"), max_retries=0)
    for kind in ("reset", "error_in_stream"):
        seen = []

        def read():
            for event in ask(model, one=one, stream=True):
                seen.append(event.type)

        with failing(kind, chunks=8):
            raises(anthropic.APIStatusError, read)
        assert "content_block_delta" in seen and "message_stop" not in seen, seen


@case_each
def cancellation(model):
    """Who leaves in the middle of a stream is billed an estimate, and nobody waits for the rest."""
    path, key = tenant("cancel-message")
    with slowly():
        with client(key).messages.stream(model=model, max_tokens=1000, messages=HELLO) as streaming:
            for _ in streaming.text_stream:
                break
        has_left(path)


@case_each
def a_message_is_cancelled(model):
    path, key = tenant("give-up-message")

    async def ask():
        async with AsyncAnthropic(base_url=URL, api_key=key) as one:
            await given_up(one.messages.create(model=model, max_tokens=1000, messages=HELLO))

    with slowly(latency_ms=10_000):
        asyncio.run(ask())
        has_left(path)


@case_each
def counted_tokens(model):
    before = upstream_count()
    counted = client().messages.count_tokens(model=model, system="Be kind.", messages=HELLO, tools=[WEATHER])
    assert counted.input_tokens >= ask(model, system="Be kind.", tools=[WEATHER]).usage.input_tokens
    assert upstream_count() == before + 1
