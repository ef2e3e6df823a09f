use std::collections::BTreeSet;

use insula_tests::{Caller, Node};

use tokio::task::JoinSet;

use super::cases::{self, CASES, INPUTS};
use super::document::{Operation, error_codes, operations};
use super::proxy::{Forgotten, Passing, Proxy};
use super::walker::{fresh_world, walk};
use super::world::{Who, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_answers_as_stated() {
    let node = Node::start().await;
    let operator = node.operator();
    let mut findings = Vec::new();
    for operation in operations(&node.anyone).await {
        let world = fresh_world(&operator).await;
        findings.extend(walk(&node.anyone, &operator, &operation, &world).await);
    }
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[tokio::test]
async fn every_row_is_about_something_that_is_there() {
    let node = Node::start().await;
    let operations = operations(&node.anyone).await;
    let names: BTreeSet<&str> = operations.iter().map(|operation| operation.name.as_str()).collect();
    let stale: Vec<_> = CASES.iter().filter(|case| !names.contains(case.operation)).map(|case| case.operation).collect();
    assert!(stale.is_empty(), "cases of operations that are not in the document: {stale:?}");
    let inputs: BTreeSet<&str> = operations.iter().flat_map(|operation| &operation.inputs).map(String::as_str).collect();
    let stale: Vec<_> = INPUTS.iter().filter(|(name, _)| !inputs.contains(name)).collect();
    assert!(stale.is_empty(), "inputs that no operation takes: {stale:?}");
    for case in CASES {
        assert_eq!(CASES.iter().filter(|other| other.operation == case.operation).count(), 1, "{}", case.operation);
    }
}

#[tokio::test]
async fn the_document_says_who_may() {
    let node = Node::start().await;
    for operation in operations(&node.anyone).await {
        let Some(case) = cases::of(&operation.name) else { continue };
        // Who is told that the request itself is wrong may make it.
        let may = |who| matches!(case.status(who), 200..300 | 400);
        let stated = match (may(Who::Nobody), may(Who::OwnService), may(Who::OwnAdmin)) {
            (true, _, _) => "none",
            (false, true, _) => "tenant",
            (false, false, true) => "tenant-admin",
            (false, false, false) => "operator",
        };
        assert_eq!(operation.credential, stated, "{}", operation.name);
    }
}

#[tokio::test]
async fn every_error_code_is_documented() {
    let node = Node::start().await;
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md")).unwrap();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<String> = rows.map(|(code, _)| code.to_owned()).collect();
    assert_eq!(documented, error_codes(&node.anyone).await, "docs/errors.md against the codes of the OpenAPI document");
}

/// A control: what is new and not in the table is noticed.
#[tokio::test]
async fn an_operation_or_input_without_a_row_is_noticed() {
    let node = Node::start().await;
    let operator = node.operator();
    let world = fresh_world(&operator).await;
    let mut operation = operations(&node.anyone).await.remove(0);
    operation.inputs.insert("query of_next_year".into());
    let findings = walk(&node.anyone, &operator, &operation, &world).await;
    assert!(findings.iter().any(|finding| finding.contains("of_next_year")), "{findings:?}");
    operation.name = "GET /api/v1/of-next-year".into();
    assert_eq!(walk(&node.anyone, &operator, &operation, &world).await.len(), 1);
}

/// The control below has so many parts, because each test has only so much time.
const PARTS: usize = 4;

/// A control: a server that forgot any one check is caught at the operation that forgot it. Of all operations one in [`PARTS`].
async fn a_check_that_was_forgotten_is_noticed(part: usize) {
    let node = Node::start().await;
    let all = operations(&node.anyone).await.into_iter().enumerate();
    let mut waiting: Vec<Operation> = all.filter(|(n, _)| n % PARTS == part).map(|(_, operation)| operation).collect();
    let (mut under_way, mut tried) = (JoinSet::new(), 0);
    loop {
        while under_way.len() < OPERATIONS_AT_ONCE
            && let Some(operation) = waiting.pop()
        {
            under_way.spawn(forget_each_check(node.anyone.clone(), node.operator(), operation));
        }
        match under_way.join_next().await {
            Some(noticed) => tried += noticed.unwrap(),
            None => break,
        }
    }
    println!("{tried} forgotten checks, all noticed");
    assert!(tried > 100 / PARTS, "only {tried} controls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_one_operation_in_four_forgot_is_noticed() {
    a_check_that_was_forgotten_is_noticed(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_a_second_in_four_forgot_is_noticed() {
    a_check_that_was_forgotten_is_noticed(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_a_third_in_four_forgot_is_noticed() {
    a_check_that_was_forgotten_is_noticed(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_a_fourth_in_four_forgot_is_noticed() {
    a_check_that_was_forgotten_is_noticed(3).await;
}

/// Forgets one check of an operation after the other; returns how many there were.
async fn forget_each_check(anyone: Caller, operator: Caller, operation: Operation) -> usize {
    let world = fresh_world(&operator).await;
    let findings = walk(&anyone, &operator, &operation, &world).await;
    assert!(findings.is_empty(), "nothing is forgotten, and yet: {findings:?}");
    let mut tried = 0;
    for (what, make) in CONTROLS {
        let world = fresh_world(&operator).await;
        let Some(forgotten) = make(&operation, &world, &operator) else { continue };
        let proxy = Proxy::start(&anyone, forgotten).await;
        let findings = walk(&Caller::anonymous(&proxy.url), &operator, &operation, &world).await;
        assert!(!findings.is_empty(), "nobody noticed that {} forgot {what}", operation.name);
        tried += 1;
    }
    tried
}

/// The controls spend their time waiting for syncs.
const OPERATIONS_AT_ONCE: usize = 8;

type Make = fn(&Operation, &World, &Caller) -> Option<Forgotten>;

/// The checks that an operation can forget; `None` where it has no such check.
const CONTROLS: [(&str, Make); 6] = [
    ("to authenticate", |operation, world, operator| {
        let case = cases::of(&operation.name)?;
        (case.status(Who::Nobody) == 401).then(|| taken_for(world, operator, Who::Nobody, most(operation)))
    }),
    ("whose it is", |operation, world, operator| {
        let case = cases::of(&operation.name)?;
        (case.status(Who::ForeignAdmin) == 404).then(|| taken_for(world, operator, Who::ForeignAdmin, most(operation)))
    }),
    ("to ask for the role", |operation, world, operator| {
        let case = cases::of(&operation.name)?;
        let applies = case.status(Who::OwnService) == 403 && case.status(Who::OwnAdmin) < 300;
        applies.then(|| taken_for(world, operator, Who::OwnService, Who::OwnAdmin))
    }),
    ("that only operators may", |operation, world, operator| {
        let case = cases::of(&operation.name)?;
        let applies = case.status(Who::OwnAdmin) == 403;
        applies.then(|| taken_for(world, operator, Who::OwnAdmin, Who::Operator))
    }),
    ("not to tell what exists", |operation, world, _| {
        let case = cases::of(&operation.name)?;
        let own = &world.own;
        let secrets = [
            &own.tenant.id,
            &own.request,
            &own.response,
            &own.file,
            &own.batch,
            &own.corpus,
            &own.vector_store,
            &own.store_file,
            &own.file_batch,
        ]
        .map(String::clone);
        // What a body names the proxy does not see.
        let applies = case.status(Who::ForeignAdmin) == 404 && operation.path().contains('{');
        applies.then(|| Forgotten {
            taken_for: Box::new(|passing| passing),
            status: Box::new(move |passing, status| {
                let exists = secrets.iter().any(|id| passing.path.contains(id.as_str()));
                if status == 404 && exists { 403 } else { status }
            }),
        })
    }),
    ("that a key is its tenant's", |operation, world, operator| {
        operation.path().contains("{tenant}/keys/{key}").then(|| {
            let (key, own, foreign) = (world.own.key.clone(), world.own.tenant.id.clone(), world.foreign.tenant.id.clone());
            let finder = operator.credential().unwrap_or_default().to_owned();
            // The key is looked up by its id alone, below whatever tenant the path names.
            Forgotten {
                taken_for: Box::new(move |passing| match passing.path.contains(&key) && passing.path.contains(&foreign) {
                    true => Passing { credential: finder.clone(), path: passing.path.replace(&foreign, &own) },
                    false => passing,
                }),
                status: Box::new(|_, status| status),
            }
        })
    }),
];

/// Who may certainly use an operation.
fn most(operation: &Operation) -> Who {
    let case = cases::of(&operation.name);
    if case.is_some_and(|case| case.status(Who::Operator) < 300) { Who::Operator } else { Who::OwnAdmin }
}

/// A server that takes `one` for `other`.
fn taken_for(world: &World, operator: &Caller, one: Who, other: Who) -> Forgotten {
    let credential = |who| world.credential(who, operator).unwrap_or_default().to_owned();
    let (one, other) = (credential(one), credential(other));
    Forgotten {
        taken_for: Box::new(move |passing| match passing.credential == one {
            true => Passing { credential: other.clone(), ..passing },
            false => passing,
        }),
        status: Box::new(|_, status| status),
    }
}
