"""Files and vector stores, as openai-python sees them."""

import io

import openai

from support import OPERATOR, call, case, client, raises, tenant

LEASE = b"The landlord returns the deposit within two months."
BREAD = b"Mix flour, water and salt. Let the dough rest."
FEES = b"A late fee of 5 percent is due. The deposit stays."


def upload(one, text, name="lease.txt", purpose="assistants"):
    return one.files.create(file=(name, text), purpose=purpose)


def filled(one):
    """A store with three files, each with attributes; and the ids of the files."""
    store = one.vector_stores.create(name="papers")
    texts = [(LEASE, "law", 2024), (BREAD, "recipe", 2023), (FEES, "law", 2025)]
    ids = []
    for text, kind, year in texts:
        file = upload(one, text, f"{kind}-{year}.txt")
        attributes = {"kind": kind, "year": year}
        done = one.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id, attributes=attributes)
        assert done.status == "completed", done
        ids.append(file.id)
    return store, ids


@case
def files_for_stores():
    one = client(tenant("purposes")[1])
    for purpose in ("assistants", "user_data"):
        made = upload(one, LEASE, purpose=purpose)
        assert (made.purpose, made.filename, made.bytes) == (purpose, "lease.txt", len(LEASE))
        assert one.files.content(made.id).read() == LEASE
        assert [file.id for file in one.files.list(purpose=purpose)] == [made.id]
    raises(openai.BadRequestError, lambda: one.files.create(file=("x", b"x"), purpose="fine-tune"))


@case
def a_store():
    one = client(tenant("store")[1])
    file = upload(one, LEASE)
    expires = {"anchor": "last_active_at", "days": 7}
    store = one.vector_stores.create(name="papers", file_ids=[file.id], expires_after=expires, metadata={"for": "tests"})
    assert (store.object, store.name, store.metadata) == ("vector_store", "papers", {"for": "tests"})
    assert (store.expires_after.anchor, store.expires_after.days) == ("last_active_at", 7)
    assert store.expires_at - store.last_active_at == 7 * 86_400
    assert store.file_counts.total == 1
    found = one.vector_stores.retrieve(store.id)
    assert (found.id, found.created_at) == (store.id, store.created_at)
    changed = one.vector_stores.update(store.id, name="more papers", metadata={"for": "more"}, expires_after=None)
    assert (changed.name, changed.metadata, changed.expires_at) == ("more papers", {"for": "more"}, None)
    more = [one.vector_stores.create(name=str(n)).id for n in range(4)]
    # Page by page.
    assert [listed.id for listed in one.vector_stores.list(limit=2)] == [*reversed(more), store.id]
    assert [listed.id for listed in one.vector_stores.list(limit=3, order="asc")] == [store.id, *more]
    deleted = one.vector_stores.delete(store.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (store.id, True, "vector_store.deleted")
    raises(openai.NotFoundError, lambda: one.vector_stores.retrieve(store.id))
    raises(openai.NotFoundError, lambda: client().vector_stores.retrieve(more[0]))
    raises(openai.BadRequestError, lambda: one.vector_stores.create(expires_after={"anchor": "last_active_at", "days": 0}))
    assert one.files.retrieve(file.id).id == file.id


@case
def files_in_a_store():
    one = client(tenant("store-files")[1])
    store = one.vector_stores.create()
    strategy = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 10}}
    named = io.BytesIO(LEASE)
    named.name = "lease.txt"
    done = one.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=named, chunking_strategy=strategy)
    assert (done.status, done.object, done.last_error) == ("completed", "vector_store.file", None)
    assert (done.vector_store_id, done.usage_bytes) == (store.id, len(LEASE))
    assert done.chunking_strategy.static.max_chunk_size_tokens == 100
    assert one.vector_stores.files.retrieve(done.id, vector_store_id=store.id) == done
    changed = one.vector_stores.files.update(done.id, vector_store_id=store.id, attributes={"kind": "law", "year": 2024})
    assert changed.attributes == {"kind": "law", "year": 2024}
    [content] = one.vector_stores.files.content(done.id, vector_store_id=store.id)
    assert (content.type, content.text) == ("text", LEASE.decode())

    unreadable = upload(one, b"")
    failed = one.vector_stores.files.create_and_poll(unreadable.id, vector_store_id=store.id)
    assert (failed.status, failed.last_error.code) == ("failed", "invalid_file")
    listed = [file.id for file in one.vector_stores.files.list(store.id, limit=1)]
    assert listed == [unreadable.id, done.id]
    assert [file.id for file in one.vector_stores.files.list(store.id, filter="completed")] == [done.id]
    counts = one.vector_stores.retrieve(store.id).file_counts
    assert (counts.completed, counts.failed, counts.total) == (1, 1, 2)

    deleted = one.vector_stores.files.delete(done.id, vector_store_id=store.id)
    assert (deleted.id, deleted.deleted) == (done.id, True)
    raises(openai.NotFoundError, lambda: one.vector_stores.files.retrieve(done.id, vector_store_id=store.id))
    assert one.files.content(done.id).read() == LEASE


@case
def batches_of_files():
    one = client(tenant("store-batches")[1])
    store = one.vector_stores.create()
    files = [(f"{n}.txt", f"The quince has {n} seeds.".encode()) for n in range(3)]
    done = one.vector_stores.file_batches.upload_and_poll(store.id, files=files, file_ids=[upload(one, LEASE).id])
    assert (done.status, done.file_counts.completed, done.file_counts.total) == ("completed", 4, 4)
    assert one.vector_stores.file_batches.retrieve(done.id, vector_store_id=store.id) == done
    listed = list(one.vector_stores.file_batches.list_files(done.id, vector_store_id=store.id, limit=3))
    assert len(listed) == 4 and all(file.status == "completed" for file in listed)

    each = [{"file_id": upload(one, BREAD).id, "attributes": {"kind": "recipe"}}, {"file_id": upload(one, FEES).id}]
    more = one.vector_stores.file_batches.create(store.id, files=each)
    assert one.vector_stores.file_batches.poll(more.id, vector_store_id=store.id).status == "completed"
    filters = {"type": "eq", "key": "kind", "value": "recipe"}
    assert [hit.file_id for hit in one.vector_stores.search(store.id, query="dough", filters=filters)] == [each[0]["file_id"]]

    long = [upload(one, b"The quince is yellow. " * 20_000).id for _ in range(4)]
    started = one.vector_stores.file_batches.create(store.id, file_ids=long)
    stopped = one.vector_stores.file_batches.cancel(started.id, vector_store_id=store.id)
    assert (stopped.status, stopped.file_counts.in_progress) == ("cancelled", 0)
    raises(openai.NotFoundError, lambda: client().vector_stores.file_batches.retrieve(done.id, vector_store_id=store.id))


@case
def searches():
    one = client(tenant("store-search")[1])
    store, [lease, bread, fees] = filled(one)
    found = one.vector_stores.search(store.id, query="When does the landlord return a deposit?").data
    assert [hit.file_id for hit in found] == [lease, fees, bread]
    assert (found[0].filename, found[0].attributes) == ("law-2024.txt", {"kind": "law", "year": 2024})
    assert [part.text for part in found[0].content] == [LEASE.decode()]
    assert 1 >= found[0].score >= found[1].score >= found[2].score >= 0
    law = {"type": "eq", "key": "kind", "value": "law"}
    recent = {"type": "gte", "key": "year", "value": 2025}
    both = {"type": "and", "filters": [law, recent]}
    either = {"type": "or", "filters": [recent, {"type": "ne", "key": "kind", "value": "law"}]}
    for filters, wanted in [(law, {lease, fees}), (both, {fees}), (either, {bread, fees})]:
        assert {hit.file_id for hit in one.vector_stores.search(store.id, query="deposit", filters=filters)} == wanted
    options = {"ranker": "auto", "score_threshold": 0.99}
    best = one.vector_stores.search(store.id, query=["landlord returns deposit"], ranking_options=options, max_num_results=1)
    assert [hit.file_id for hit in best] == [lease]
    raises(openai.BadRequestError, lambda: one.vector_stores.search(store.id, query="x", rewrite_query=True))
    raises(openai.NotFoundError, lambda: client().vector_stores.search(store.id, query="deposit"))


@case
def end_users_search_what_they_may_see():
    path, key = tenant("store-readers")
    one = client(key)
    store = one.vector_stores.create()
    files = {name: upload(one, f"The quince is {name}'s.".encode()).id for name in ("ann", "bob")}
    for name, file in files.items():
        one.vector_stores.files.create(store.id, file_id=file, extra_body={"access": [name]})
        one.vector_stores.files.poll(file, vector_store_id=store.id)
    admin = call("POST", f"{path}/keys", {"name": "admin", "role": "admin"}, key=OPERATOR)["key"]
    token = call("POST", f"{path}/tokens", {"end_user": "ann", "ttl_seconds": 60}, key=admin)["token"]
    ann = client(token)
    assert [hit.file_id for hit in ann.vector_stores.search(store.id, query="quince")] == [files["ann"]]
    assert [file.id for file in ann.vector_stores.files.list(store.id)] == [files["ann"]]
    raises(openai.NotFoundError, lambda: ann.vector_stores.files.content(files["bob"], vector_store_id=store.id))
    raises(openai.PermissionDeniedError, lambda: ann.vector_stores.delete(store.id))
