//! What is told by signs and not by words: special tokens of chats, calls of tools, headings that claim to be the system, links and
//! what they carry. Found in the plain text, given back as hits among the words.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{
    lexicon::{Concept, Hit},
    view::View,
};

/// How far an address is read.
const LINK_BYTES_MAX: usize = 400;
/// How far from the beginning of its line a heading ends.
const HEADING_BYTES_MAX: usize = 48;

/// Special tokens and headings of the chat templates of known models.
const TURNS: [&str; 52] = [
    "<|im_start|>",
    "<|im_end|>",
    "<|im_sep|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|developer|>",
    "<|endoftext|>",
    "<|endofprompt|>",
    "<|end|>",
    "<|start|>",
    "<|message|>",
    "<|channel|>",
    "<|return|>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|begin▁of▁sentence|>",
    "<|end▁of▁sentence|>",
    "<|end_of_turn|>",
    "<|start_of_turn|>",
    "<|start_of_role|>",
    "<|end_of_role|>",
    "<|turn>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|chatbot_token|>",
    "<|system_token|>",
    "<|user_token|>",
    "[inst]",
    "[/inst]",
    "<<sys>>",
    "<</sys>>",
    "[system_prompt]",
    "[/system_prompt]",
    "<system>",
    "</system>",
    "<system_prompt>",
    "</system_prompt>",
    "</system-prompt>",
    "</user_query>",
    "</context>",
    "</documents>",
    "### instruction:",
    "### system:",
    "### user:",
    "### assistant:",
    "### response:",
    "### human:",
];

/// How calls of tools and their results are written.
const CALLS: [&str; 23] = [
    "<tool_call",
    "</tool_call",
    "<function_call",
    "<function=",
    "<invoke name=",
    "<tool_use",
    "<tool_result",
    "<tool_response",
    "<function_results",
    "<|python_tag|>",
    "<|call|>",
    "<|tool_call",
    "[tool_calls]",
    "[tool_results]",
    "\"tool_calls\":",
    "\"arguments\":",
    "\"function_call\":",
    "\"tool_call_id\":",
    ":\"tool_use\"",
    "\"tool_use_id\":",
    "action input:",
    "to=functions.",
    "<|tool▁call",
];

/// Messages of the system as data. Programs are full of them, so they only claim.
const ROLES: [&str; 4] = ["\"role\":\"system\"", "\"role\": \"system\"", "\"role\":\"developer\"", "\"role\": \"developer\""];

/// What an address begins with.
const LINKS: [&str; 6] = ["http://", "https://", "ftp://", "mailto:", "www.", "@"];

/// How a heading calls itself that claims to be the system; after the first fold.
const CLAIMS: [&str; 21] = [
    "system",
    "developer",
    "admin",
    "sysadmin",
    "root",
    "systeme",
    "sistema",
    "systeem",
    "systemowy",
    "система",
    "системне",
    "системное",
    "sistem",
    "النظام",
    "رساله النظام",
    "सिस्टम",
    "系统",
    "系統",
    "システム",
    "시스템",
    "desarrollador",
];

struct Signs {
    matcher: Option<AhoCorasick>,
}

static SIGNS: LazyLock<Signs> =
    LazyLock::new(|| Signs { matcher: AhoCorasick::new(TURNS.iter().chain(&CALLS).chain(&ROLES).chain(&LINKS)).ok() });

/// All signs of a plain text, as hits among its words.
pub(super) fn hits(plain: &str, words: &View) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut add = |concept, start: usize, end: usize| {
        let at = |place| u32::try_from(words.place_of(place)).unwrap_or(u32::MAX);
        hits.push(Hit { concept, start: at(start), end: at(end).max(at(start)), spaced: false });
    };
    for found in SIGNS.matcher.iter().flat_map(|m| m.find_iter(plain)) {
        let index = found.pattern().as_usize();
        if index < TURNS.len() {
            add(Concept::Turn, found.start(), found.end());
        } else if index < TURNS.len() + CALLS.len() {
            add(Concept::Call, found.start(), found.end());
            // Nobody but a model that acts step by step writes this.
            if CALLS.get(index - TURNS.len()) == Some(&"action input:") {
                add(Concept::Turn, found.start(), found.end());
            }
        } else if index < TURNS.len() + CALLS.len() + ROLES.len() {
            add(Concept::Authority, found.start(), found.end());
        } else if let Some((end, carries)) = link(plain, found.start(), found.end()) {
            add(Concept::Link, found.start(), end);
            if carries {
                add(Concept::Channel, found.start(), end);
            }
        }
    }
    let mut start = 0;
    for line in plain.split_inclusive('\n') {
        if let Some((from, to)) = claim(line) {
            add(Concept::Authority, start + from, start + to);
        }
        start += line.len();
    }
    hits
}

/// Where an address ends, and whether it carries something: a placeholder, or a parameter that waits for its value.
fn link(text: &str, start: usize, found: usize) -> Option<(usize, bool)> {
    let mut limit = text.len().min(found + LINK_BYTES_MAX);
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let rest = text.get(found..limit)?;
    if text.get(start..found) == Some("@") {
        let before = text.get(..start)?.chars().next_back()?;
        let host: &str = rest.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))).next()?;
        let named = before.is_ascii_alphanumeric() && host.trim_end_matches('.').contains('.');
        return named.then_some((found + host.len(), false));
    }
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | ')' | '>' | '，' | '。')).unwrap_or(rest.len());
    let address = rest.get(..end)?;
    let query = address.split_once(['?', '#']).map(|(_, query)| query);
    let waits = query.is_some_and(|q| q.trim_end_matches(['.', ',', ';', ':', '\'']).ends_with('='));
    let placeholder = address.contains(['{', '[', '<', '$']);
    Some((found + end, end > 0 && (waits || placeholder)))
}

/// Whether a line begins as a heading of the system would.
fn claim(line: &str) -> Option<(usize, usize)> {
    let marks =
        |c: char| c.is_whitespace() || matches!(c, '[' | '#' | '*' | '(' | '<' | '-' | '=' | '_' | '/' | '!' | '>' | '"');
    let rest = line.trim_start_matches(marks);
    let from = line.len() - rest.len();
    let name = CLAIMS.iter().find(|name| rest.starts_with(**name))?;
    let tail = rest.get(name.len()..)?;
    if tail.chars().next().is_some_and(|c| matches!(c, '_' | '-' | '.') || (c.is_alphanumeric() && !super::words::is_dense(c)))
    {
        return None;
    }
    let end = tail.find([':', ']', '\n', ')', '>'])?;
    let closes = tail.get(end..)?.starts_with([':', ']', ')', '>']);
    (closes && end <= HEADING_BYTES_MAX).then_some((from, from + name.len()))
}
