"""Documents before an answer: `file_search` and `insula.retrieval`, as openai-python and anthropic-python send them."""

import time

import openai
from anthropic import Anthropic

from support import OPERATOR, URL, WITHIN_S, call, case_each, client, raises, scenario, tenant

LEASE = "The deposit of the lease is returned within 30 days."
ANSWER = 'It is [[1: "returned within 30 days"]], not more [[1: "returned within 60 days"]].'
TEXT = "It is [1], not more."
SEARCH = {"type": "file_search", "vector_store_ids": [], "max_num_results": 3}


def with_document():
    """A tenant that has a document, with the answer of its model: a key, and the document's id."""
    path, key = tenant("retrieval")
    added = call("POST", f"{path}/documents", {"name": "lease.md", "text": LEASE}, OPERATOR)
    deadline = time.monotonic() + WITHIN_S
    while call("GET", f"{path}/documents/{added['id']}", key=OPERATOR)["status"] != "ready":
        assert time.monotonic() < deadline, "the document is not read"
        time.sleep(0.05)
    scenario(answer=ANSWER)
    return key, added["id"]


def told(answer):
    return answer.model_extra["insula"]["retrieval"]


@case_each
def file_search_in_a_response(model):
    key, document = with_document()
    try:
        options = {"model": model, "input": "When is the deposit returned?", "tools": [SEARCH]}
        answer = client(key).responses.create(**options, include=["file_search_call.results"])
        search, message = answer.output
        assert (search.type, search.status, search.queries) == ("file_search_call", "completed", [options["input"]])
        assert (search.results[0].file_id, search.results[0].filename, search.results[0].text) == (document, "lease.md", LEASE)
        assert answer.output_text == TEXT and len(message.content[0].annotations) == 1
        annotation = message.content[0].annotations[0]
        assert (annotation.type, annotation.file_id, annotation.filename) == ("file_citation", document, "lease.md")
        assert answer.output_text[annotation.index :].startswith("[1]")
        assert told(answer)["citations"][0]["quote"] == "returned within 30 days" and told(answer)["dropped"] == 1
        type(answer).model_validate(answer.model_dump())
        # Both ways to go on: by the id, and with all items.
        client(key).responses.create(model=model, input="and then?", previous_response_id=answer.id)
        items = [{"role": "user", "content": "hello"}, *[item.model_dump() for item in answer.output], {"role": "user", "content": "on"}]
        client(key).responses.create(model=model, input=items)
    finally:
        scenario()


@case_each
def file_search_streamed(model):
    key, document = with_document()
    try:
        with client(key).responses.stream(model=model, input="When is the deposit returned?", tools=[SEARCH]) as stream:
            events = list(stream)
            final = stream.get_final_response()
        kinds = [event.type for event in events]
        search = [f"response.file_search_call.{step}" for step in ("in_progress", "searching", "completed")]
        assert [kind for kind in kinds if kind.startswith("response.file_search_call")] == search, kinds
        assert [event.sequence_number for event in events if hasattr(event, "sequence_number")], kinds
        assert final.output[0].results is None and final.output_text == TEXT
        [added] = [event for event in events if event.type == "response.output_text.annotation.added"]
        assert added.annotation["file_id"] == document if isinstance(added.annotation, dict) else added.annotation.file_id == document
        assert final.output[1].content[0].annotations[0].file_id == document
    finally:
        scenario()


@case_each
def retrieval_in_a_chat(model):
    key, document = with_document()
    try:
        options = {"model": model, "messages": [{"role": "user", "content": "When is the deposit returned?"}]}
        options["extra_body"] = {"insula": {"retrieval": {"limit": 2}}}
        answer = client(key).chat.completions.create(**options)
        assert answer.choices[0].message.content == TEXT
        assert told(answer)["sources"][0]["document"] == document and told(answer)["dropped"] == 1
        chunks = list(client(key).chat.completions.create(**options, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
        last = [told(chunk) for chunk in chunks if "insula" in (chunk.model_extra or {})][-1]
        assert last["citations"][0]["document"] == document
        wrong = {**options, "extra_body": {"insula": {"retrieval": {"limits": 2}}}}
        assert raises(openai.BadRequestError, lambda: client(key).chat.completions.create(**wrong)).param == "insula.retrieval.limits"
    finally:
        scenario()


@case_each
def retrieval_in_a_message(model):
    key, document = with_document()
    try:
        one = Anthropic(base_url=URL, api_key=key)
        options = {"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": "When is the deposit returned?"}]}
        options["extra_body"] = {"insula": {"retrieval": True}}
        answer = one.messages.create(**options)
        assert answer.content[0].text == TEXT
        assert told(answer)["citations"][0]["document"] == document
        with one.messages.stream(**options) as stream:
            assert "".join(stream.text_stream) == TEXT
    finally:
        scenario()
