"""Moderations, as openai-python sees them."""

import asyncio

import openai
from openai import AsyncOpenAI

from support import ACME, GLOBEX, MODELS, OPERATOR, PIXEL, URL, call, case, client, raises, tenant, upstream_count


@case
def moderations():
    answer = client().moderations.create(model="sim-moderation", input=["good morning", "some violence"])
    assert answer.id.startswith("modr-") and answer.model == "sim-moderation"
    good, bad = answer.results
    assert not good.flagged and bad.flagged
    assert bad.categories.violence and not bad.categories.hate
    assert bad.category_scores.violence > 0.5 > bad.category_scores.hate
    assert bad.category_applied_input_types.violence == ["text"]
    # Every category that the SDK knows is there, and nothing is of another kind.
    type(answer).model_validate(answer.model_dump())
    assert answer._request_id.startswith("req_"), answer._request_id


@case
def moderations_without_a_model():
    [verdict] = client().moderations.create(input="harassment/threatening").results
    assert verdict.categories.harassment_threatening and verdict.categories.harassment


@case
def moderations_of_images():
    picture = lambda url: {"type": "image_url", "image_url": {"url": url}}
    parts = [{"type": "text", "text": "look"}, picture("https://example.org/violence.png"), picture(f"data:image/png;base64,{PIXEL}")]
    [verdict] = client().moderations.create(model="sim-moderation", input=parts).results
    assert verdict.flagged and verdict.category_applied_input_types.violence == ["text", "image"]


@case
def moderations_async():
    async def ask():
        async with AsyncOpenAI(base_url=f"{URL}/v1", api_key=ACME) as one:
            return await asyncio.gather(*[one.moderations.create(input=text) for text in ("hate", "love")])

    hate, love = asyncio.run(ask())
    assert hate.results[0].flagged and not love.results[0].flagged


@case
def moderations_cost_nothing_and_refuse_what_makes_no_sense():
    path, key = tenant("moderations")
    call("PUT", f"{path}/budgets", [{"window": "month", "limit_usd": "0.000001"}], OPERATOR)
    client(key).moderations.create(input="x" * 10_000)
    before = upstream_count()
    for one, error in (
        ({"input": []}, openai.BadRequestError),
        ({"input": "a", "model": "sim-small"}, openai.BadRequestError),
        ({"input": "a", "model": "gpt-nonesuch"}, openai.NotFoundError),
        *(({"input": "a", "model": models["chat"]}, openai.BadRequestError) for models in MODELS.values()),
    ):
        assert raises(error, lambda: client(key).moderations.create(**one)).param in ("input", "model")
    raises(openai.AuthenticationError, lambda: client("sk-wrong").moderations.create(input="a"))
    assert client(GLOBEX).moderations.create(input="a").results and upstream_count() == before + 1
