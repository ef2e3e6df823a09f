"""LangChain's client for OpenAI, by chat completions and by responses."""

import asyncio

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from support import (
    ACME,
    PIXEL,
    URL,
    case,
    case_each,
    case_each_embedding,
    case_each_failing,
    failing,
    given_up,
    has_left,
    impatient,
    raises,
    slowly,
    tenant,
)

ASK = [HumanMessage("hello from langchain")]


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@tool
def get_forecast(city: str) -> str:
    """The weather of tomorrow in a city."""
    return f"rain in {city}"


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    degrees: int


def models(model, key=ACME, **options):
    """The same client in both dialects."""
    for use_responses_api in (False, True):
        yield ChatOpenAI(model=model, base_url=f"{URL}/v1", api_key=key, use_responses_api=use_responses_api, **options)


# LangChain keeps its connections for whoever comes next, so all cases have one loop.
LOOP = asyncio.new_event_loop()


def refused(kind, function):
    """The SDK's error; LangChain's own is one of its kind."""
    try:
        function()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def added(chunks):
    """What chunks come to together."""
    whole = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    return whole


@case_each
def langchain_chat(model):
    for chat in models(model):
        answer = chat.invoke(ASK)
        assert "hello from langchain" in answer.text, answer
        assert answer.usage_metadata["total_tokens"] > 0


@case_each
def langchain_stream(model):
    for chat in models(model, stream_usage=True):
        whole = added(chat.stream(ASK))
        assert "hello from langchain" in whole.text, whole
        assert whole.usage_metadata["output_tokens"] > 0, whole


@case_each
def langchain_tools(model):
    for chat in models(model):
        bound = chat.bind_tools([get_weather], tool_choice="required")
        answer = bound.invoke(ASK)
        [called] = answer.tool_calls
        assert called["name"] == "get_weather" and isinstance(called["args"]["city"], str)
        result = ToolMessage(get_weather.invoke(called["args"]), tool_call_id=called["id"])
        chat.bind_tools([get_weather]).invoke([*ASK, answer, result])
        streamed = added(bound.stream(ASK))
        assert streamed.tool_calls[0]["args"]["city"], streamed


@case_each
def langchain_parallel_tools(model):
    for chat in models(model):
        bound = chat.bind_tools([get_weather, get_forecast], tool_choice="required")
        answer, streamed = bound.invoke("use the tools"), added(bound.stream("use the tools"))
        for message in (answer, streamed):
            assert {called["name"] for called in message.tool_calls} == {"get_weather", "get_forecast"}, message.tool_calls
            assert len({called["id"] for called in message.tool_calls}) == 2, message.tool_calls
        results = [ToolMessage("fine", tool_call_id=called["id"]) for called in answer.tool_calls]
        chat.bind_tools([get_weather, get_forecast]).invoke([HumanMessage("use the tools"), answer, *results])


@case_each
def langchain_structured_output(model):
    for chat in models(model):
        for method in ("json_schema", "function_calling"):
            wanted = chat.with_structured_output(Weather, method=method)
            assert isinstance(wanted.invoke(ASK), Weather)
            assert isinstance(list(wanted.stream(ASK))[-1], Weather)


@case_each
def langchain_images(model):
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    text = {"type": "text", "text": "what is this"}
    for chat in models(model):
        plain, answer = chat.invoke([HumanMessage([text])]), chat.invoke([HumanMessage([text, picture])])
        assert "what is this" in answer.text, answer
        seen = answer.usage_metadata["input_tokens"] - plain.usage_metadata["input_tokens"]
        assert seen == 85, "the image came through"


@case_each
def langchain_async(model):
    async def ask(chat):
        answers = await asyncio.gather(*[chat.ainvoke(ASK) for _ in range(4)])
        return answers, added([chunk async for chunk in chat.astream(ASK)])

    for chat in models(model):
        answers, streamed = LOOP.run_until_complete(ask(chat))
        assert {answer.text for answer in answers} == {streamed.text}, (answers, streamed)


@case_each
def langchain_refusals(model):
    for chat in models(model, key="sk-wrong"):
        refused(openai.AuthenticationError, lambda: chat.invoke(ASK))
    for chat in models("gpt-nonesuch"):
        refused(openai.NotFoundError, lambda: chat.invoke(ASK))
    for chat in models(model, max_tokens=-1):
        refused(openai.BadRequestError, lambda: chat.invoke(ASK))


@case_each_failing
def langchain_errors(model):
    key = impatient("langchain")
    for chat in models(model, key, max_retries=0):
        for ask in (lambda: chat.invoke(ASK), lambda: list(chat.stream(ASK))):
            with failing("server_error"):
                assert refused(openai.InternalServerError, ask).code == "provider_failed"
            with failing("rate_limit"):
                assert refused(openai.RateLimitError, ask).code == "provider_rate_limited"


@case_each_failing
def langchain_errors_in_the_stream(model):
    key = impatient("langchain-stream")
    for chat in models(model, key, max_retries=0):
        seen = []
        with failing("reset", chunks=8):
            error = raises(openai.APIError, lambda: seen.extend(chunk for chunk in chat.stream(ASK)))
        assert error.code == "provider_failed", error


@case_each
def langchain_is_cancelled(model):
    for way in range(2):
        path, key = tenant("langchain-cancel")
        chat = list(models(model, key))[way]
        with slowly():
            stream = chat.stream(ASK)
            while not next(stream).text:
                pass
            stream.close()
            has_left(path)


@case
def langchain_previous_response():
    chat = ChatOpenAI(model="sim-small", base_url=f"{URL}/v1", api_key=ACME, use_previous_response_id=True)
    first = chat.invoke(ASK)
    second = chat.invoke([*ASK, first, HumanMessage("and then")])
    assert second.usage_metadata["input_tokens"] > first.usage_metadata["total_tokens"]


@case_each
def langchain_is_given_up(model):
    for way in range(2):
        path, key = tenant("langchain-give-up")
        with slowly(latency_ms=10_000):
            LOOP.run_until_complete(given_up(list(models(model, key))[way].ainvoke(ASK)))
            has_left(path)


@case_each_embedding
def langchain_embeddings(model):
    embeddings = OpenAIEmbeddings(model=model, base_url=f"{URL}/v1", api_key=ACME, check_embedding_ctx_length=False)
    one, two = embeddings.embed_documents(["one", "two"])
    assert len(one) == len(two) > 0 and one != two
    assert all(abs(a - b) < 1e-9 for a, b in zip(one, embeddings.embed_query("one")))
