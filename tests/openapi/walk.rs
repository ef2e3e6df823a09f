use std::collections::BTreeSet;

use insula_tests::{Caller, Node};

use super::cases::{self, CASES, INPUTS};
use super::document::{Operation, operations};
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

/// A control: a server that forgot any one check is caught at the operation that forgot it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_one_operation_forgot_is_noticed() {
    let node = Node::start().await;
    let operator = node.operator();
    let mut tried = 0;
    for operation in operations(&node.anyone).await {
        let world = fresh_world(&operator).await;
        assert_eq!(walk(&node.anyone, &operator, &operation, &world).await, Vec::<String>::new(), "nothing is wrong without it");
        for (what, make) in CONTROLS {
            let world = fresh_world(&operator).await;
            let Some(forgotten) = make(&operation, &world, &operator) else { continue };
            let proxy = Proxy::start(&node.anyone, forgotten).await;
            let target = Caller::anonymous(&proxy.url);
            let findings = walk(&target, &operator, &operation, &world).await;
            assert!(!findings.is_empty(), "nobody noticed that {} forgot {what}", operation.name);
            tried += 1;
        }
    }
    assert!(tried > 60, "only {tried} controls");
    println!("{tried} forgotten checks, all noticed");
}

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
        let secrets = [world.own.tenant.id.clone(), world.own.request.clone()];
        let applies = case.status(Who::ForeignAdmin) == 404;
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
