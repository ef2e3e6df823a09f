//! Cleaning a provider's words before a caller reads them.

use std::net::IpAddr;

use zeroize::Zeroizing;

/// The longest message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 500;
/// How much of a message is looked at, in bytes.
const LOOKED_AT_BYTES_MAX: usize = 16 << 10;
/// What stands in the place of what was taken out.
const REMOVED: &str = "[removed]";
/// How ids and keys of providers begin.
const PREFIXES: [&str; 14] =
    ["sk-", "sk_", "sess-", "org-", "org_", "proj-", "proj_", "req-", "req_", "key-", "key_", "acct_", "AIza", "asst_"];
/// Last labels of host names, those of private networks included.
const TOP_LABELS: [&str; 20] = [
    "com", "net", "org", "io", "ai", "dev", "app", "cloud", "co", "eu", "de", "us", "uk", "cn", "local", "internal", "svc",
    "lan", "corp", "home",
];

/// Takes out addresses, keys and account ids, and what the provider's entry in the configuration holds.
#[derive(Debug, Default)]
pub(crate) struct Scrub {
    /// The key that is sent and the provider's host name, in lower case.
    secrets: Vec<Zeroizing<String>>,
    /// Whether requests go by another account than the platform's.
    is_own_account: bool,
}

impl Scrub {
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let secrets = secrets.into_iter().map(Zeroizing::new).filter(|secret| !secret.is_empty());
        Self { secrets: secrets.map(|secret| Zeroizing::new(secret.to_ascii_lowercase())).collect(), is_own_account: false }
    }

    /// The same for requests by another account than the platform's.
    pub fn of_own_account(self) -> Self {
        Self { is_own_account: true, ..self }
    }

    /// Whether requests go by another account than the platform's.
    pub fn is_own_account(&self) -> bool {
        self.is_own_account
    }

    /// Whether one of the secrets stands in a text.
    pub fn is_in(&self, text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        self.secrets.iter().any(|secret| lower.contains(secret.as_str()))
    }

    /// The message without what is not the caller's business, in one line and bounded.
    pub fn clean(&self, message: &str) -> String {
        let without = self.without_secrets(message);
        let mut out = String::with_capacity(without.len().min(4 * MESSAGE_CHARS_MAX));
        let mut rest = without.as_str();
        while let Some(start) = rest.find(in_word) {
            let (between, from) = rest.split_at(start);
            push_line(&mut out, between);
            let (word, after) = from.split_at(from.find(|c| !in_word(c)).unwrap_or(from.len()));
            self.push_word(&mut out, word);
            rest = after;
            if out.chars().count() > MESSAGE_CHARS_MAX {
                break;
            }
        }
        push_line(&mut out, rest);
        match out.char_indices().nth(MESSAGE_CHARS_MAX) {
            Some((end, _)) => format!("{}...", &out[..end]),
            None => out.trim().to_owned(),
        }
    }

    /// The message with each secret taken out, whatever characters it is made of: in one pass, and what is put in their place is
    /// not looked at again. What lies behind the bound is left out.
    fn without_secrets(&self, message: &str) -> String {
        let looked_at = &message[..message.floor_char_boundary(LOOKED_AT_BYTES_MAX)];
        let lower = looked_at.to_ascii_lowercase();
        // Of a host's name the words around it say no less than itself: those go as a whole, below.
        let searched = self.secrets.iter().filter(|secret| !secret.chars().all(in_word));
        let mut spans: Vec<_> = searched
            .flat_map(|secret| lower.match_indices(secret.as_str()).map(|(start, found)| (start, start + found.len())))
            .collect();
        spans.sort_unstable();
        let (mut out, mut told_to) = (String::with_capacity(looked_at.len()), 0);
        for (start, end) in spans {
            if start >= told_to {
                out.push_str(&looked_at[told_to..start]);
                out.push_str(REMOVED);
            }
            told_to = told_to.max(end);
        }
        out.push_str(&looked_at[told_to..self.whole_until(looked_at, message).max(told_to)]);
        out
    }

    /// How far all secrets that begin in `looked_at`, the beginning of `message`, lie in it as a whole.
    fn whole_until(&self, looked_at: &str, message: &str) -> usize {
        if looked_at.len() == message.len() {
            return looked_at.len();
        }
        let longest = self.secrets.iter().map(|secret| secret.len()).max().unwrap_or(0);
        looked_at.floor_char_boundary(looked_at.len().saturating_sub(longest))
    }

    fn push_word(&self, out: &mut String, word: &str) {
        // Marks at the end of a sentence are not part of its last word.
        let core = word.trim_end_matches(['.', ':', '?', '!', '/']);
        if core.is_empty() || !self.is_private(core) {
            out.push_str(word);
        } else {
            out.push_str(REMOVED);
            out.push_str(&word[core.len()..]);
        }
    }

    fn is_private(&self, word: &str) -> bool {
        let lower = word.to_ascii_lowercase();
        self.secrets.iter().any(|secret| lower.contains(secret.as_str()))
            || word.contains("://")
            || word.contains('@')
            || is_path(word)
            || is_address(&lower)
            || is_id(word)
    }
}

/// Characters of a word that could be an address, a key or an id.
fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.:/@%+=&?#~*".contains(c)
}

/// Appends what stands between words, with control characters as spaces.
fn push_line(out: &mut String, text: &str) {
    out.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
}

/// A file on the provider's machine.
fn is_path(word: &str) -> bool {
    word.starts_with('/') && word.matches('/').count() >= 2
}

/// A host name or address, with or without a port and path.
fn is_address(lower: &str) -> bool {
    let host = lower.split('/').next().unwrap_or_default();
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let is_port = (2..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    let has_letter = name.bytes().any(|b| b.is_ascii_alphabetic());
    if host.parse::<IpAddr>().is_ok() || (is_port && (name.parse::<IpAddr>().is_ok() || has_letter)) || name == "localhost" {
        return true;
    }
    name.rsplit_once('.').is_some_and(|(before, top)| !before.is_empty() && TOP_LABELS.contains(&top))
}

/// A key or an id: by how it begins, or because a part of it is long and has digits as no word has.
fn is_id(word: &str) -> bool {
    let has_digit = |text: &str| text.bytes().any(|b| b.is_ascii_digit());
    let is_named = |part: &str| {
        let rest = PREFIXES.iter().find_map(|prefix| part.strip_prefix(prefix));
        rest.is_some_and(|rest| has_digit(rest) || rest.contains('*') || rest.len() >= 6)
    };
    word.split(['=', ':', '.', '/']).any(is_named)
        || word.split(['=', ':', '.', '/', '-', '_']).any(|part| part.len() >= 20 && has_digit(part))
        || is_uuid(word)
}

fn is_uuid(word: &str) -> bool {
    let parts = word.split('-').map(|part| part.bytes().all(|b| b.is_ascii_hexdigit()).then_some(part.len()));
    parts.eq([8, 4, 4, 4, 12].map(Some))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_secret_is_told_and_none_ends_in_a_loop(
            secret in "[\\[\\]d$]{1,3}|[!-~]{8,12}",
            parts in proptest::collection::vec("[ -~\u{e4}]{0,8}", 0..6),
        ) {
            let message = parts.join(&secret);
            let told = Scrub::new([secret.clone()]).without_secrets(&message);
            let rest = told.replace(REMOVED, "\n").to_ascii_lowercase();
            let in_words = secret.chars().all(in_word);
            prop_assert!(in_words || REMOVED.contains(&secret) || !rest.contains(&secret.to_ascii_lowercase()), "{told}");
        }
    }

    #[test]
    fn a_long_message_of_secrets_is_looked_at_once() {
        let scrub = Scrub::new(["$".to_owned()]);
        assert!(scrub.clean(&"$".repeat(1 << 20)).starts_with(&REMOVED.repeat(3)));
        // What the bound cuts in two is not told either.
        let key = format!("!{}", "k".repeat(4_000));
        let message = format!("{} {key}", "a b ".repeat(LOOKED_AT_BYTES_MAX / 4 - 500));
        assert!(!Scrub::new([key]).without_secrets(&message).contains("!k"));
    }

    #[test]
    fn private_words_are_taken_out() {
        let scrub = Scrub::new(["SuperSecret".to_owned(), "gpu-box".to_owned(), "k!1$(x)".to_owned()]);
        for (said, told) in [
            ("Incorrect API key provided: sk-proj-abc123.", "Incorrect API key provided: [removed]."),
            ("Rate limit for org-Abc123 (request id: req_0a1b2c)", "Rate limit for [removed] (request id: [removed])"),
            ("See https://platform.openai.com/docs/x?y=1#z.", "See [removed]."),
            ("contact support@example.org, or api.openai.com/v1", "contact [removed], or [removed]"),
            ("connect to 10.0.0.7:8000 or [::1]:80 failed", "connect to [removed] or [[removed]]:80 failed"),
            ("upstream vllm-backend:8000 and localhost", "upstream [removed] and [removed]"),
            ("on host GPU-BOX with key supersecret", "on host [removed] with key [removed]"),
            ("File \"/usr/lib/python3/serve.py\", line 3", "File \"[removed]\", line 3"),
            ("id 123e4567-e89b-12d3-a456-426614174000 failed", "id [removed] failed"),
            ("two\nlines\u{0}here", "two lines here"),
            ("key K!1$(x) of K!1$(X)'s", "key [removed] of [removed]'s"),
        ] {
            assert_eq!(scrub.clean(said), told);
        }
    }

    #[test]
    fn the_callers_own_terms_stay() {
        for said in [
            "The model `gpt-4o-mini-2024-07-18` does not support 'temperature'.",
            "Invalid type for 'messages[0].content[1].image_url.url': expected a string",
            "This model's maximum context length is 128000 tokens. However, you requested 130001 tokens.",
            "Unknown parameter: 'response_format.json_schema.strict', e.g. see key-value pairs",
            "meta-llama/Llama-3.1-8B-Instruct: max_tokens must be <= 4096",
        ] {
            assert_eq!(Scrub::default().clean(said), said);
        }
    }

    #[test]
    fn messages_are_bounded() {
        let long = Scrub::default().clean(&"ä ".repeat(10_000));
        assert_eq!(long.chars().count(), MESSAGE_CHARS_MAX + 3);
    }
}
