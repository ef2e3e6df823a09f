"""Responses, as openai-python sees them."""

import asyncio
import json

import openai
from openai import AsyncOpenAI
from pydantic import BaseModel

from support import (
    ACME,
    GLOBEX,
    OPERATOR,
    PIXEL,
    URL,
    WEATHER,
    call,
    case,
    case_each,
    case_each_failing,
    client,
    failing,
    given_up,
    has_left,
    impatient,
    raises,
    slowly,
    tenant,
)

FUNCTION = {"type": "function", **WEATHER["function"]}


@case_each
def response(model):
    answer = client().responses.create(model=model, input="hello from responses", instructions="be kind")
    assert "hello from responses" in answer.output_text
    assert (answer.object, answer.status, answer.error) == ("response", "completed", None)
    assert answer.output[0].type == "message" and answer.output[0].content[0].annotations == []
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.usage.input_tokens_details.cached_tokens == 0
    assert answer.instructions == "be kind" and answer.id.startswith("resp_"), answer
    type(answer).model_validate(answer.model_dump())


@case_each
def response_streamed(model):
    events = list(client().responses.create(model=model, input="hello from responses", stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed", kinds
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text and "hello from responses" in text
    for event in events:
        type(event).model_validate(event.model_dump())


@case_each
def response_stream_helper(model):
    with client().responses.stream(model=model, input="hello from responses") as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert "hello from responses" in final.output_text
    assert client().responses.retrieve(final.id).output_text == final.output_text, "kept before its end was seen"


@case_each
def response_async(model):
    async def ask():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=ACME) as one:
            stream = await one.responses.create(model=model, input="hello from responses", stream=True)
            return [event.type async for event in stream]

    assert asyncio.run(ask())[-1] == "response.completed"


@case_each
def response_calls_a_function(model):
    options = {"model": model, "input": "weather", "tools": [FUNCTION], "tool_choice": "required"}
    answer = client().responses.create(**options)
    called = answer.output[0]
    assert called.type == "function_call" and called.name == "get_weather"
    assert isinstance(json.loads(called.arguments)["city"], str)
    result = {"type": "function_call_output", "call_id": called.call_id, "output": "sunny"}
    # Both ways to go on: by the id, and with all items.
    client().responses.create(model=model, input=[result], previous_response_id=answer.id, tools=[FUNCTION])
    items = [{"role": "user", "content": "weather"}, called.model_dump(exclude_none=True), result]
    client().responses.create(model=model, input=items, tools=[FUNCTION], store=False)
    with client().responses.stream(**options) as stream:
        stream.until_done()
        streamed = stream.get_final_response()
    assert streamed.output[0].parsed_arguments["city"]


@case_each
def response_calls_in_parallel(model):
    both = [FUNCTION, {**FUNCTION, "name": "get_forecast"}]
    answer = client().responses.create(model=model, input="use the tools", tools=both, tool_choice="required")
    calls = [item for item in answer.output if item.type == "function_call"]
    assert len({one.call_id for one in calls}) == 2, calls
    results = [{"type": "function_call_output", "call_id": one.call_id, "output": "sunny"} for one in calls]
    client().responses.create(model=model, input=results, previous_response_id=answer.id, tools=both)
    with client().responses.stream(model=model, input="use the tools", tools=both, tool_choice="required") as stream:
        stream.until_done()
        streamed = stream.get_final_response().output
    assert len({item.call_id for item in streamed if item.type == "function_call"}) == 2, streamed


class Forecast(BaseModel):
    city: str
    degrees: int


@case_each
def response_parsed(model):
    answer = client().responses.parse(model=model, input="weather", text_format=Forecast)
    assert isinstance(answer.output_parsed, Forecast)
    with client().responses.stream(model=model, input="weather", text_format=Forecast) as stream:
        stream.until_done()
        assert isinstance(stream.get_final_response().output_parsed, Forecast)


@case_each
def response_to_an_image(model):
    text = {"type": "input_text", "text": "what is this"}
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    ask = lambda parts: client().responses.create(model=model, input=[{"role": "user", "content": parts}])
    plain, answer = ask([text]), ask([text, picture])
    assert "what is this" in answer.output_text
    assert answer.usage.input_tokens == plain.usage.input_tokens + 85, "the image came through"


@case_each
def response_cut_short(model):
    answer = client().responses.create(model=model, input="hello", max_output_tokens=5)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"


@case_each
def a_conversation_goes_on(model):
    one = client()
    first = one.responses.create(model=model, input="the first thing")
    second = one.responses.create(model=model, input="the second thing", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens
    items = list(one.responses.input_items.list(second.id))
    assert [item.content[0].text for item in items] == ["the second thing"], items
    one.responses.delete(first.id)
    raises(openai.NotFoundError, lambda: one.responses.retrieve(first.id))
    raises(openai.NotFoundError, lambda: one.responses.create(model=model, input="on", previous_response_id=second.id))


@case
def what_was_not_kept_is_not_there():
    answer = client().responses.create(model="sim-small", input="forget me", store=False)
    raises(openai.NotFoundError, lambda: client().responses.retrieve(answer.id))


@case
def responses_are_their_tenants():
    answer = client().responses.create(model="sim-small", input="mine")
    other = client(GLOBEX)
    for ask in (
        lambda: other.responses.retrieve(answer.id),
        lambda: other.responses.delete(answer.id),
        lambda: other.responses.input_items.list(answer.id),
        lambda: other.responses.create(model="sim-small", input="on", previous_response_id=answer.id),
    ):
        raises(openai.NotFoundError, ask)
    assert client().responses.retrieve(answer.id) == answer


@case
def responses_refuse_what_is_not_there():
    one = client()
    for field, value in (("background", True), ("conversation", "conv_1"), ("tools", [{"type": "web_search"}])):
        error = raises(openai.BadRequestError, lambda: one.responses.create(model="sim-small", input="hi", **{field: value}))
        assert error.param == field, error.body
    answer = one.responses.create(model="sim-small", input="hi")
    raises(openai.BadRequestError, lambda: one.responses.cancel(answer.id))


@case_each_failing
def response_errors(model):
    one = client(impatient("no-response"), max_retries=0)
    for more in ({}, {"stream": True}):
        ask = lambda: one.responses.create(model=model, input="hello", **more)
        with failing("server_error"):
            assert raises(openai.InternalServerError, ask).code == "provider_failed"
        with failing("rate_limit"):
            assert raises(openai.RateLimitError, ask).code == "provider_rate_limited"


@case_each_failing
def a_response_stream_that_breaks_raises(model):
    one = client(impatient("broken-response"))
    for kind in ("reset", "error_in_stream"):
        seen = []

        def read():
            for event in one.responses.create(model=model, input="hello", stream=True):
                seen.append(event.type)

        with failing(kind, chunks=8):
            error = raises(openai.APIError, read)
        assert error.code == "provider_failed", error.body
        assert seen[0] == "response.created" and "response.completed" not in seen


@case_each
def a_response_stream_is_cancelled(model):
    path, key = tenant("cancel-response")
    call("PUT", f"{path}/limits", {"concurrency": 1}, OPERATOR)
    with slowly():
        stream = client(key).responses.create(model=model, input="hello", stream=True)
        for event in stream:
            if event.type == "response.output_text.delta":
                break
        stream.close()
        has_left(path)
    client(key).responses.create(model=model, input="hello")


@case_each
def a_response_is_cancelled(model):
    path, key = tenant("give-up-response")

    async def ask():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=key) as one:
            await given_up(one.responses.create(model=model, input="hello"))

    with slowly(latency_ms=10_000):
        asyncio.run(ask())
        has_left(path)


@case
def an_idempotent_response_keeps_its_id():
    header = {"Idempotency-Key": "python-response"}
    ask = lambda: client().responses.create(model="sim-small", input="once", extra_headers=header)
    assert ask().id == ask().id
