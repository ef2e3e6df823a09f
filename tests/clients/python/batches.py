"""Files and batches, as openai-python sees them."""

import json
import time

import openai

from support import case, client, raises, tenant


def lines(count):
    """The lines of a batch, as the vendor's guide writes them."""
    body = lambda n: {"model": "sim-small", "messages": [{"role": "user", "content": f"line {n}"}]}
    line = lambda n: {"custom_id": f"line-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body(n)}
    return "\n".join(json.dumps(line(n)) for n in range(count)).encode()


@case
def files():
    one = client(tenant("files")[1])
    made = one.files.create(file=("lines.jsonl", lines(3)), purpose="batch")
    assert (made.object, made.filename, made.bytes) == ("file", "lines.jsonl", len(lines(3)))
    more = [one.files.create(file=("more.jsonl", b"x"), purpose="batch").id for _ in range(4)]
    assert one.files.retrieve(made.id).id == made.id
    assert one.files.content(made.id).read() == lines(3)
    # Page by page.
    assert sorted(file.id for file in one.files.list(limit=2)) == sorted([made.id, *more])
    assert one.files.delete(made.id).deleted
    raises(openai.NotFoundError, lambda: one.files.retrieve(made.id))
    raises(openai.NotFoundError, lambda: client().files.content(more[0]))
    raises(openai.BadRequestError, lambda: one.files.create(file=("x", b"x"), purpose="fine-tune"))


@case
def batches():
    one = client(tenant("batches")[1])
    made = one.files.create(file=("lines.jsonl", lines(20)), purpose="batch")
    options = {"input_file_id": made.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = one.batches.create(**options, metadata={"for": "the tests"})
    assert (batch.object, batch.metadata) == ("batch", {"for": "the tests"})
    deadline = time.monotonic() + 60
    while one.batches.retrieve(batch.id).status != "completed":
        assert time.monotonic() < deadline, one.batches.retrieve(batch.id)
        time.sleep(0.1)
    batch = one.batches.retrieve(batch.id)
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (20, 20, 0)
    assert batch.errors is None and batch.error_file_id is None
    answers = [json.loads(line) for line in one.files.content(batch.output_file_id).text.splitlines()]
    assert sorted(answer["custom_id"] for answer in answers) == sorted(f"line-{n}" for n in range(20))
    assert all(answer["response"]["body"]["choices"] for answer in answers)
    assert [found.id for found in one.batches.list()] == [batch.id]
    raises(openai.ConflictError, lambda: one.with_options(max_retries=0).batches.cancel(batch.id))
    raises(openai.NotFoundError, lambda: client().batches.retrieve(batch.id))


@case
def a_wrong_batch_says_what_is_wrong():
    one = client(tenant("wrong-batch")[1])
    made = one.files.create(file=("lines.jsonl", lines(2) + b"\n{"), purpose="batch")
    batch = one.batches.create(input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h")
    deadline = time.monotonic() + 60
    while one.batches.retrieve(batch.id).status != "failed":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    [error] = one.batches.retrieve(batch.id).errors.data
    assert (error.line, error.code) == (3, "invalid_json_line"), error
