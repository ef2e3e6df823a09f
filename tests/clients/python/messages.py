"""Anthropic's own SDK, unchanged, with the models of each provider."""

import asyncio
import base64
import time

import anthropic
from anthropic import Anthropic, AsyncAnthropic

from support import ACME, HELLO, MODELS, OPERATOR, URL, call, case_each, raises, scenario, tenant, upstream_count

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
WEATHER = {"name": "get_weather", "description": "The weather in a city", "input_schema": SCHEMA}
TIME = {"name": "get_time", "description": "The time in a city", "input_schema": SCHEMA}
# A picture of one pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

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
    """The results of several calls in one turn; whether several are called is the provider's to say."""
    answer = ask(model, "use the tools", tools=[WEATHER, TIME])
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert calls and len({block.id for block in calls}) == len(calls)
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


@case_each
def provider_errors(model):
    scenario(faults=[{"kind": "server_error", "rate": 1}])
    try:
        raises(anthropic.InternalServerError, lambda: ask(model, one=client(max_retries=0)))
        scenario(faults=[{"kind": "rate_limit", "rate": 1}])
        raises(anthropic.RateLimitError, lambda: ask(model, one=client(max_retries=0)))
        scenario(faults=[{"kind": "error_in_stream", "rate": 1}])
        raises(anthropic.APIStatusError, lambda: list(ask(model, stream=True)))
    finally:
        scenario()


@case_each
def cancellation(model):
    """Who leaves in the middle of a stream is billed an estimate, and nobody waits for the rest."""
    scenario(gap_ms=200, chunks=50)
    try:
        begun = time.monotonic()
        with client().messages.stream(model=model, max_tokens=1000, messages=HELLO) as streaming:
            for _ in streaming.text_stream:
                break
        assert time.monotonic() - begun < 5
    finally:
        scenario()


@case_each
def counted_tokens(model):
    before = upstream_count()
    counted = client().messages.count_tokens(model=model, system="Be kind.", messages=HELLO, tools=[WEATHER])
    assert counted.input_tokens >= ask(model, system="Be kind.", tools=[WEATHER]).usage.input_tokens
    assert upstream_count() == before + 1
