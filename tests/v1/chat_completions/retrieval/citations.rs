//! Citations of scripted answers: what stands in the cited passage word for word goes on, all else does not.

use insula_simulator::Scenario;
use insula_tests::{Node, TestTenant};
use serde_json::{Value, json};

use super::{CHAT, asking, told};
use insula_tests::documents::publish;

/// Passage 1 answers the question best; each has the words of it.
const ONE: &str = "Lease lease lease. The deposit of 2.5 months is returned within 30 days. Tenants are unable to terminate early. Das Maß beträgt 5 Meter.";
const TWO: &str = "Lease lease. Visitors park for free. La caution est rendue à l’automne. 押金在两个月内退还。 يُعاد الضمان خلال شهرين. Залог возвращается за 30 дней.";
const THREE: &str = "Lease. The notice period is three months, see [[Annex]] for the form.";

/// What a scripted answer comes to: its text, its citations, and how many were dropped and repaired.
struct Case {
    says: &'static str,
    text: &'static str,
    cited: &'static [(u64, &'static str)],
    dropped: u64,
    repaired: u64,
}

const fn right(says: &'static str, text: &'static str, cited: &'static [(u64, &'static str)]) -> Case {
    Case { says, text, cited, dropped: 0, repaired: 0 }
}

const fn dropped(says: &'static str, text: &'static str, dropped: u64) -> Case {
    Case { says, text, cited: &[], dropped, repaired: 0 }
}

const fn repaired(says: &'static str, text: &'static str, cited: &'static [(u64, &'static str)]) -> Case {
    Case { says, text, cited, dropped: 0, repaired: 1 }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Right, in several languages and ways to write them.
    right("It is [[1: \"The deposit of 2.5 months is returned within 30 days.\"]].", "It is [1].", &[(1, "The deposit of 2.5 months is returned within 30 days.")]),
    right("It is[[1:\"returned within 30 days\"]]", "It is[1]", &[(1, "returned within 30 days")]),
    right("It is [[ 1 : “returned  within\n30 days” ]]!", "It is [1]!", &[(1, "returned within 30 days")]),
    right("It is [[2 - 'Visitors park for free.']]", "It is [2]", &[(2, "Visitors park for free.")]),
    right("Es ist [[1: „Das Maß beträgt 5 Meter.“]]", "Es ist [1]", &[(1, "Das Maß beträgt 5 Meter.")]),
    right("C'est [[2: « La caution est rendue à l'automne »]].", "C'est [2].", &[(2, "La caution est rendue à l’automne")]),
    right("答案[[2：“押金在两个月内退还”]]。", "答案[2]。", &[(2, "押金在两个月内退还")]),
    right("الجواب [[2: \"يُعاد الضمان خلال شهرين\"]]", "الجواب [2]", &[(2, "يُعاد الضمان خلال شهرين")]),
    right("Да [[2: «Залог возвращается за 30 дней»]]", "Да [2]", &[(2, "Залог возвращается за 30 дней")]),
    right("See [[3: \"see [ [Annex] ] for the form\"]]", "See [3]", &[(3, "see [[Annex]] for the form")]),
    right("A [[1: \"…within 30 days...\"]] B [[2: \"park for free\"]]", "A [1] B [2]", &[(1, "within 30 days"), (2, "park for free")]),
    right("No marks, [[Page]], `a[1]`, [[1, 9], [3, 4]] and [x].", "No marks, [[Page]], `a[1]`, [[1, 9], [3, 4]] and [x].", &[]),
    // Fabricated.
    dropped("It is [[1: \"The deposit is never returned.\"]].", "It is.", 1),
    dropped("It is [[2: \"押金在三个月内退还\"]]。", "It is。", 1),
    dropped("It is [[9: \"Nobody says this anywhere.\"]] so", "It is so", 1),
    dropped("It is [[0: \"A passage that is none\"]]", "It is", 1),
    dropped("It is [[99999: \"Nobody says this anywhere.\"]]", "It is", 1),
    // Altered by a word, a letter, a number or a sign.
    dropped("It is [[1: \"The deposit of 2.5 months is returned within 60 days.\"]]", "It is", 1),
    dropped("It is [[1: \"The deposit of 2.5 months is retained within 30 days.\"]]", "It is", 1),
    dropped("It is [[1: \"the deposit of 2.5 months\"]]", "It is", 1),
    dropped("It is [[1: \"Tenants are able to terminate early.\"]]", "It is", 1),
    dropped("It is [[1: \"able to terminate early\"]]", "It is", 1),
    dropped("It is [[1: \"5 months is returned\"]]", "It is", 1),
    dropped("It is [[1: \"returned within 3\"]]", "It is", 1),
    dropped("It is [[1: \"Tenants are not unable to terminate early.\"]]", "It is", 1),
    dropped("It is [[1: \"Das Mass beträgt 5 Meter.\"]]", "It is", 1),
    dropped("It is [[3: \"The notice period is three months, see annex\"]]", "It is", 1),
    dropped("It is [[1: \"within 30 days. Visitors park for free.\"]]", "It is", 1),
    dropped("It is [[1: \"The deposit … 30 days\"]]", "It is", 1),
    // Without a quote, or one that would stand anywhere.
    dropped("It is [[1]] and [[2]].", "It is and.", 2),
    dropped("It is [1] or [2, 3] or [1-2].", "It is or or.", 3),
    dropped("It is [[1: within 30 days]]", "It is", 1),
    dropped("It is [[1: \"\"]] [[1: \"is\"]]", "It is", 2),
    dropped("It is 【1:0†lease.md】 so", "It is so", 1),
    dropped("It is [[1: \"returned\"; 2: \"park for free\"]]", "It is", 1),
    // Written otherwise, and where only what looks like code stands before it.
    dropped("It is [ 1 ] or [^1] or [**1**] or 【1】 or ［1］.", "It is or or or or.", 5),
    dropped("It is [1](#) or [2](lease.md).", "It is or.", 2),
    dropped("A lone ` and it is [1]", "A lone ` and it is", 1),
    dropped("In mid-line ``` it is [1]\nand [2]", "In mid-line ``` it is\nand", 2),
    // Nested and cut off.
    dropped("It is [[1: \"The deposit [[2: \"Visitors park for free.\"]] is\"]] so", "It is so", 1),
    dropped("It is [[1: \"The deposit [[2: \"Visitors park for free.\"]] and on", "It is", 1),
    dropped("It is [[1: \"returned within 30", "It is", 1),
    dropped("It is [[1", "It is", 1),
    dropped("It is [1", "It is", 1),
    dropped("It is [[1: \"returned within 30 days\n\nAnd on.", "It is\n\nAnd on.", 1),
    // Misattributed.
    repaired("It is [[2: \"returned within 30 days\"]].", "It is [1].", &[(1, "returned within 30 days")]),
    repaired("It is [[3: \"押金在两个月内退还\"]].", "It is [2].", &[(2, "押金在两个月内退还")]),
    repaired("It is [[7: \"The notice period is three months\"]].", "It is [3].", &[(3, "The notice period is three months")]),
    repaired("It is [[1: \"La caution est rendue à l'automne\"]].", "It is [2].", &[(2, "La caution est rendue à l’automne")]),
];

async fn tenant(node: &Node) -> TestTenant {
    let tenant = node.tenant("cited").await;
    for (name, text) in [("one", ONE), ("two", TWO), ("three", THREE)] {
        publish(&tenant, name, text).await;
    }
    tenant
}

/// A question whose passages are numbered as they were handed in, whatever the search thinks of them: the cases are numbered by what it finds.
async fn order(tenant: &TestTenant, node: &Node) -> Vec<u64> {
    node.scenario(Scenario { answer: Some("Nothing.".to_owned()), ..Scenario::default() });
    let answer = tenant.service.post(CHAT, &asking("lease", json!(true))).await.expect(200).json();
    let sources = told(&answer)["sources"].as_array().unwrap();
    let number = |name: &str| sources.iter().find(|source| source["name"] == name).unwrap()["number"].as_u64().unwrap();
    ["one", "two", "three"].map(number).to_vec()
}

/// A text of the cases with the numbers that the passages really have.
fn renumbered(text: &str, order: &[u64]) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if !matches!(c, '[' | '【') {
            continue;
        }
        while chars.peek() == Some(&' ') {
            out.extend(chars.next());
        }
        let mut digits = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        match digits.parse::<usize>().ok().and_then(|number| order.get(number.checked_sub(1)?)) {
            Some(number) => out.push_str(&number.to_string()),
            None => out.push_str(&digits),
        }
    }
    out
}

fn check(case: &Case, text: &str, citations: &[Value], counts: (&Value, &Value), order: &[u64], how: &str) {
    let says = case.says;
    assert_eq!(text, renumbered(case.text, order), "{how}: {says}");
    let cited: Vec<(u64, String)> = citations
        .iter()
        .map(|cited| (cited["number"].as_u64().unwrap(), cited["quote"].as_str().unwrap().to_owned()))
        .collect();
    let wanted: Vec<(u64, String)> =
        case.cited.iter().map(|(number, quote)| (order[*number as usize - 1], (*quote).to_owned())).collect();
    assert_eq!(cited, wanted, "{how}: {says}");
    assert_eq!(counts, (&json!(case.dropped), &json!(case.repaired)), "{how}: {says}");
    for citation in citations {
        let mark = format!("[{}]", citation["number"]);
        let at = citation["at"].as_u64().unwrap() as usize;
        let stands: String = text.chars().skip(at).take(mark.len()).collect();
        assert_eq!(stands, mark, "{how}: {says}");
        let (document, start, end) = (citation["name"].as_str().unwrap(), &citation["start"], &citation["end"]);
        let original =
            [("one", ONE), ("two", TWO), ("three", THREE)].into_iter().find(|(name, _)| *name == document).unwrap().1;
        let span = start.as_u64().unwrap() as usize..end.as_u64().unwrap() as usize;
        assert_eq!(&original[span], citation["quote"].as_str().unwrap(), "{how}: {says}");
    }
}

#[tokio::test]
async fn every_citation_is_checked_whole_and_streamed() {
    let node = Node::start().await;
    let tenant = tenant(&node).await;
    let order = order(&tenant, &node).await;
    assert!(CASES.len() >= 40);
    for case in CASES {
        let answer = Some(renumbered(case.says, &order));
        node.scenario(Scenario { answer: answer.clone(), ..Scenario::default() });
        let whole = tenant.service.post(CHAT, &asking("lease", json!(true))).await.expect(200).json();
        let text = whole["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        let told = told(&whole);
        check(case, text, told["citations"].as_array().unwrap(), (&told["dropped"], &told["repaired"]), &order, "whole");
        for chunks in [1, 3, 4_096] {
            node.scenario(Scenario { answer: answer.clone(), chunks, ..Scenario::default() });
            let mut body = asking("lease", json!(true));
            body["stream"] = json!(true);
            let transcript = tenant.service.stream(CHAT, &body).await.expect_open().collect().await.expect_complete();
            let (first, last) = (&transcript.chunks[1]["insula"]["retrieval"], transcript.chunks.iter().rev());
            assert_eq!(first["sources"].as_array().unwrap().len(), 3);
            let last = last.map(|chunk| &chunk["insula"]["retrieval"]).find(|told| !told.is_null()).unwrap();
            let counts = (&last["dropped"], &last["repaired"]);
            check(case, &transcript.text(), last["citations"].as_array().unwrap(), counts, &order, &format!("{chunks} chunks"));
        }
    }
}

#[tokio::test]
async fn what_is_misattributed_is_dropped_where_that_is_wanted() {
    let node = Node::start().await;
    let tenant = tenant(&node).await;
    let order = order(&tenant, &node).await;
    for case in CASES.iter().filter(|case| case.repaired > 0) {
        node.scenario(Scenario { answer: Some(renumbered(case.says, &order)), ..Scenario::default() });
        let answer = tenant.service.post(CHAT, &asking("lease", json!({"citations": "drop"}))).await.expect(200).json();
        let told = told(&answer);
        assert_eq!(
            (&told["citations"], &told["dropped"], &told["repaired"]),
            (&json!([]), &json!(1), &json!(0)),
            "{}",
            case.says
        );
    }
}

#[tokio::test]
async fn json_has_no_marks() {
    let node = Node::start().await;
    let tenant = tenant(&node).await;
    let mut body = asking("lease", json!(true));
    body["response_format"] = json!({"type": "json_object"});
    tenant.service.post(CHAT, &body).await.expect(200);
    assert!(!super::sent_text(&node).contains("[[N:"), "none are asked for");
}
