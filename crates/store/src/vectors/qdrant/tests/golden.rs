//! The messages of this crate are held to the bytes that Qdrant's own client (qdrant-client 1.20.0) writes for the same.

use std::fmt::Debug;

use prost::Message;

use super::super::{
    guard::{Ask, But, Documents, Guard, Which},
    proto::*,
};

/// Written by that client, in hexadecimal digits.
const GOLDEN: &[(&str, &str)] = &[
    (
        "query",
        "0a01631a0e0a0c120a0a080000003f000080bf2a7a0a0a12080a0674656e616e74120f0a0d0a0674656e616e7412030a0161120d0a0b0a0573706163651202100312160a140a08646f63756d656e7412082a060a01780a01791a342232121d0a1b0a056368756e6b1a1209000000000000224019000000000000144012110a0f0a057370616365120632040a0201023202100140075a020801",
    ),
    (
        "scroll",
        "0a0163127a0a0a12080a0674656e616e74120f0a0d0a0674656e616e7412030a0161120d0a0b0a0573706163651202100312160a140a08646f63756d656e7412082a060a01780a01791a342232121d0a1b0a056368756e6b1a1209000000000000224019000000000000144012110a0f0a057370616365120632040a0201021a03120175200732020801",
    ),
    (
        "count",
        "0a0163127a0a0a12080a0674656e616e74120f0a0d0a0674656e616e7412030a0161120d0a0b0a0573706163651202100312160a140a08646f63756d656e7412082a060a01780a01791a342232121d0a1b0a056368756e6b1a1209000000000000224019000000000000144012110a0f0a057370616365120632040a0201021801",
    ),
    (
        "delete",
        "0a016310011a7c127a0a0a12080a0674656e616e74120f0a0d0a0674656e616e7412030a0161120d0a0b0a0573706163651202100312160a140a08646f63756d656e7412082a060a01780a01791a342232121d0a1b0a056368756e6b1a1209000000000000224019000000000000144012110a0f0a057370616365120632040a020102",
    ),
    (
        "upsert",
        "0a016310011a230a031201751a0b0a056368756e6b12021809220f0a0daa060a0a080000003f000080bf327a0a0a12080a0674656e616e74120f0a0d0a0674656e616e7412030a0161120d0a0b0a0573706163651202100312160a140a08646f63756d656e7412082a060a01780a01791a342232121d0a1b0a056368756e6b1a1209000000000000224019000000000000144012110a0f0a057370616365120632040a020102",
    ),
    ("facet", "0a0163120674656e616e7420052801"),
    ("create", "0a016322040800301052060a0408081003"),
    ("index_keyword", "0a016310011a0674656e616e7420002a061a0408011800"),
    ("index_integer", "0a016310011a056368756e6b20012a081206080110012800"),
    ("drop", "0a0163"),
    ("list", ""),
    ("query_answer", "0a280a03120175120d0a0674656e616e741203220161120b0a056368756e6b120218091d0000803e2803119a9999999999b93f"),
    ("scroll_answer", "0a0312017512140a03120175120d0a0674656e616e741203220161199a9999999999b93f"),
    ("count_answer", "0a020804119a9999999999b93f"),
    ("facet_answer", "0a070a030a01611006119a9999999999b93f"),
    ("list_answer", "0a030a0163119a9999999999b93f"),
    ("done_answer", "0a0408041002119a9999999999b93f"),
    ("operation_answer", "0801119a9999999999b93f"),
];

fn golden(name: &str) -> Vec<u8> {
    let (_, digits) = GOLDEN.iter().find(|(known, _)| *known == name).unwrap();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[track_caller]
fn is_written(name: &str, message: &(impl Message + Debug)) {
    assert!(message.encode_to_vec() == golden(name), "{name} is written otherwise: {message:?}");
}

#[track_caller]
fn is_read<M: Message + PartialEq + Default + Debug>(name: &str, message: &M) {
    assert_eq!(&M::decode(golden(name).as_slice()).unwrap(), message, "{name}");
}

fn field(key: &str, kind: matching::Kind) -> Condition {
    let r#match = Some(Match { kind: Some(kind) });
    Condition { kind: Some(condition::Kind::Field(FieldCondition { key: key.to_owned(), r#match, range: None })) }
}

fn filter() -> Filter {
    let range = Some(Range { gte: Some(5.0), lt: Some(9.0) });
    let chunks = FieldCondition { key: "chunk".to_owned(), r#match: None, range };
    let spaces = field("space", matching::Kind::Integers(Integers { integers: vec![1, 2] }));
    let inner = Filter { must: vec![Condition { kind: Some(condition::Kind::Field(chunks)) }, spaces], ..Filter::default() };
    Filter {
        must: vec![
            field("tenant", matching::Kind::Keyword("a".to_owned())),
            field("space", matching::Kind::Integer(3)),
            field("document", matching::Kind::Keywords(Keywords { strings: vec!["x".to_owned(), "y".to_owned()] })),
        ],
        must_not: vec![Condition { kind: Some(condition::Kind::Filter(inner)) }],
        should: vec![Condition { kind: Some(condition::Kind::IsEmpty(IsEmpty { key: "tenant".to_owned() })) }],
    }
}

fn id() -> PointId {
    PointId { kind: Some(point_id::Kind::Uuid("u".to_owned())) }
}

fn integer(key: &str, n: i64) -> (String, Value) {
    (key.to_owned(), Value { kind: Some(value::Kind::Integer(n)) })
}

fn text(key: &str, text: &str) -> (String, Value) {
    (key.to_owned(), Value { kind: Some(value::Kind::Text(text.to_owned())) })
}

#[test]
fn calls_about_points_are_written_as_their_client_does() {
    let (collection, filter) = ("c".to_owned(), Some(filter()));
    let dense = Some(DenseVector { data: vec![0.5, -1.0] });
    let (with_payload, exact) = (Some(WithPayload { enable: Some(true) }), Some(true));
    is_written(
        "query",
        &QueryPoints {
            collection: collection.clone(),
            query: Some(Query { nearest: Some(VectorInput { dense: dense.clone() }) }),
            filter: filter.clone(),
            params: Some(SearchParams { exact }),
            limit: Some(7),
            with_payload: with_payload.clone(),
        },
    );
    let (offset, limit) = (Some(id()), Some(7));
    is_written("scroll", &ScrollPoints { collection: collection.clone(), filter: filter.clone(), offset, limit, with_payload });
    is_written("count", &CountPoints { collection: collection.clone(), filter: filter.clone(), exact });
    let points = Some(PointsSelector { filter: filter.clone() });
    is_written("delete", &DeletePoints { collection: collection.clone(), wait: Some(true), points });
    let vectors = Some(Vectors { vector: Some(Vector { dense }) });
    let points = vec![Point { id: Some(id()), payload: [integer("chunk", 9)].into(), vectors }];
    is_written("upsert", &UpsertPoints { collection, wait: Some(true), points, update_filter: filter });
}

#[test]
fn calls_about_collections_are_written_as_their_client_does() {
    let collection = "c".to_owned();
    let (key, limit) = ("tenant".to_owned(), Some(5));
    is_written("facet", &FacetCounts { collection: collection.clone(), key, limit, exact: Some(true) });
    let vectors_config = Some(VectorsConfig { params: Some(VectorParams { size: 8, distance: DISTANCE_DOT }) });
    let hnsw_config = Some(HnswConfig { m: Some(0), payload_m: Some(16) });
    is_written("create", &CreateCollection { collection: collection.clone(), hnsw_config, vectors_config });
    let index = |field: &str, kind, params| CreateFieldIndex {
        collection: "c".to_owned(),
        wait: Some(true),
        field: field.to_owned(),
        kind: Some(kind),
        params: Some(params),
    };
    let keyword = KeywordParams { is_tenant: Some(true), enable_hnsw: Some(false) };
    let keyword = IndexParams { keyword: Some(keyword), integer: None };
    is_written("index_keyword", &index("tenant", FIELD_KEYWORD, keyword));
    let integer = IntegerParams { lookup: Some(true), range: Some(true), enable_hnsw: Some(false) };
    let integer = IndexParams { keyword: None, integer: Some(integer) };
    is_written("index_integer", &index("chunk", FIELD_INTEGER, integer));
    is_written("drop", &DeleteCollection { collection });
    is_written("list", &ListCollections {});
}

#[test]
fn answers_are_read_as_they_are_written() {
    let payload: Payload = [text("tenant", "a"), integer("chunk", 9)].into();
    is_read("query_answer", &QueryResponse { result: vec![Scored { id: Some(id()), payload, score: 0.25 }] });
    let result = vec![Retrieved { id: Some(id()), payload: [text("tenant", "a")].into() }];
    is_read("scroll_answer", &ScrollResponse { next: Some(id()), result });
    is_read("count_answer", &CountResponse { result: Some(CountResult { count: 4 }) });
    let value = Some(FacetValue { text: Some("a".to_owned()) });
    is_read("facet_answer", &FacetResponse { hits: vec![FacetHit { value, count: 6 }] });
    let collections = vec![CollectionDescription { name: "c".to_owned() }];
    is_read("list_answer", &ListCollectionsResponse { collections });
    is_read("done_answer", &Done {});
    is_read("operation_answer", &CollectionOperation { result: true });
}

/// What is narrowed is narrowed within the tenant.
#[test]
fn every_filter_begins_with_the_tenant() {
    let guard = Guard::of(insula_model::TenantId::from_bytes([7; 16]));
    let documents = [insula_model::DocumentId::from_bytes([1; 16])];
    let but = Some(But { first: 1, end: 2, spaces: &[1] });
    for documents in [Documents::All, Documents::Any(&documents), Documents::AllBut(&documents)] {
        let which = Which { space: Some(3), documents, but };
        let ask = Ask { space: 3, documents, vector: &[1.0], limit: 1, exact: false };
        let filters = [
            guard.query("c".into(), ask).get().filter.clone(),
            guard.scroll("c".into(), which, None, 1).get().filter.clone(),
            guard.count("c".into(), which).get().filter.clone(),
            guard.delete("c".into(), which).get().points.clone().unwrap().filter,
            guard.upsert("c".into(), vec![]).get().update_filter.clone(),
        ];
        for filter in filters {
            let tenant = insula_model::TenantId::from_bytes([7; 16]).bare();
            let filter = filter.unwrap();
            assert_eq!(filter.must[0], field("tenant", matching::Kind::Keyword(tenant)));
            assert!(filter.should.is_empty(), "nothing stands beside it");
        }
    }
}
