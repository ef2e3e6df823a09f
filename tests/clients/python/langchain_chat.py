"""LangChain's client for OpenAI, by chat completions and by responses."""

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from support import ACME, URL, case, case_each

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


def models(model, **options):
    """The same client in both dialects."""
    for use_responses_api in (False, True):
        yield ChatOpenAI(model=model, base_url=f"{URL}/v1", api_key=ACME, use_responses_api=use_responses_api, **options)


@case_each
def langchain_chat(model):
    for chat in models(model):
        answer = chat.invoke(ASK)
        assert "hello from langchain" in answer.text, answer
        assert answer.usage_metadata["total_tokens"] > 0


@case_each
def langchain_stream(model):
    for chat in models(model, stream_usage=True):
        chunks = list(chat.stream(ASK))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
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
        streamed = None
        for chunk in bound.stream(ASK):
            streamed = chunk if streamed is None else streamed + chunk
        assert streamed.tool_calls[0]["args"]["city"], streamed


@case_each
def langchain_parallel_tools(model):
    for chat in models(model):
        answer = chat.bind_tools([get_weather, get_forecast], tool_choice="required").invoke("use the tools")
        assert len({called["id"] for called in answer.tool_calls}) == 2, answer.tool_calls


@case_each
def langchain_structured_output(model):
    for chat in models(model):
        for method in ("json_schema", "function_calling"):
            assert isinstance(chat.with_structured_output(Weather, method=method).invoke(ASK), Weather)


@case
def langchain_previous_response():
    chat = ChatOpenAI(model="sim-small", base_url=f"{URL}/v1", api_key=ACME, use_previous_response_id=True)
    first = chat.invoke(ASK)
    second = chat.invoke([*ASK, first, HumanMessage("and then")])
    assert second.usage_metadata["input_tokens"] > first.usage_metadata["total_tokens"]


@case
def langchain_embeddings():
    embeddings = OpenAIEmbeddings(model="sim-embed", base_url=f"{URL}/v1", api_key=ACME, check_embedding_ctx_length=False)
    one, two = embeddings.embed_documents(["one", "two"])
    assert len(one) == len(two) > 0 and one != two
    assert all(abs(a - b) < 1e-9 for a, b in zip(one, embeddings.embed_query("one")))
