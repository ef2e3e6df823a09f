"""Embeddings, as openai-python sees them."""

import asyncio

import openai
from openai import AsyncOpenAI

from support import ACME, URL, case, case_each_embedding, case_each_failing, client, failing, impatient, raises


@case_each_embedding
def embeddings(model):
    # The SDK asks for base64 by itself and unpacks it.
    packed = client().embeddings.create(model=model, input=["one", "two"])
    floats = client().embeddings.create(model=model, input=["one", "two"], encoding_format="float")
    assert len(packed.data) == 2
    for one, other in zip(packed.data, floats.data):
        assert len(one.embedding) == len(other.embedding)
        assert all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, other.embedding))
    assert packed.usage.prompt_tokens > 0
    [short] = client().embeddings.create(model=model, input="one", dimensions=16).data
    assert len(short.embedding) == 16


@case_each_embedding
def embeddings_async(model):
    async def ask():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=ACME) as one:
            return await asyncio.gather(*[one.embeddings.create(model=model, input="one") for _ in range(8)])

    first, *others = asyncio.run(ask())
    assert all(other.data[0].embedding == first.data[0].embedding for other in others)


@case_each_failing(forms=("openai", "gemini"))
def embeddings_errors(model):
    one = client(impatient("no-vectors"), max_retries=0)
    ask = lambda input: one.embeddings.create(model=model, input=input)
    assert raises(openai.BadRequestError, lambda: ask([])).param == "input"
    with failing("server_error"):
        assert raises(openai.InternalServerError, lambda: ask("one")).code == "provider_failed"
    with failing("rate_limit"):
        assert raises(openai.RateLimitError, lambda: ask("one")).code == "provider_rate_limited"
    ask("one")


@case
def embeddings_that_a_provider_has_not():
    error = raises(openai.BadRequestError, lambda: client().embeddings.create(model="claude-sim", input="one"))
    assert error.param == "model", error.body
