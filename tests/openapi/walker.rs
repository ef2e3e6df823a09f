//! Walks over an operation and reports what is not as the table states.

use std::sync::atomic::{AtomicU64, Ordering};

use insula_tests::{Caller, Reply, batch};
use serde_json::Value;

use super::cases::{self, Case, Holds};
use super::document::Operation;
use super::world::{EVERYBODY, Household, IDEMPOTENCY_KEY, PROVIDER, Who, World};

/// Keeps the slugs of worlds and bodies apart.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Walks over one operation in `world`. `target` is where it is tried, `operator` the holder of the operator key there.
pub async fn walk(target: &Caller, operator: &Caller, operation: &Operation, world: &World) -> Vec<String> {
    let Some(case) = cases::of(&operation.name) else {
        return vec![format!("{} has no case: say in cases.rs what it must answer to whom", operation.name)];
    };
    let unknown = operation.inputs.iter().filter(|input| cases::holds(input).is_none());
    let mut findings: Vec<String> =
        unknown.map(|input| format!("{} takes `{input}`: say in cases.rs whether it holds an id", operation.name)).collect();
    let walk = Walk { target, operator, operation, case, world };
    findings.extend(walk.foreign_ids().await);
    findings.extend(walk.words().await);
    findings.extend(walk.everybody().await);
    findings
}

/// A world of its own for the next walk.
pub async fn fresh_world(operator: &Caller) -> World {
    World::create(operator, &format!("w{}", COUNT.fetch_add(1, Ordering::Relaxed))).await
}

struct Walk<'a> {
    target: &'a Caller,
    operator: &'a Caller,
    operation: &'a Operation,
    case: &'a Case,
    world: &'a World,
}

/// An id in a place of its own, the rest being the caller's.
struct Swap<'a> {
    input: &'a str,
    id: &'a str,
}

impl Walk<'_> {
    /// The stated status for everybody, with ids of the own tenant.
    async fn everybody(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for (who, expected) in EVERYBODY.into_iter().zip(self.case.statuses) {
            let reply = self.send(who, &self.world.own, None, None).await;
            if reply.status != expected {
                findings.push(format!(
                    "{}: {who:?} got {}, not {expected}: {}",
                    self.operation.name,
                    reply.status,
                    reply.text()
                ));
            }
            if !self.operation.statuses.contains(&reply.status) {
                findings.push(format!("{}: {} is not among its documented responses", self.operation.name, reply.status));
            }
        }
        findings
    }

    /// Another tenant's id answers exactly like one that never was, and like one that is none: in every position, for
    /// everybody to whom it is not his.
    async fn foreign_ids(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for input in self.operation.inputs.iter().filter(|input| cases::holds(input) == Some(Holds::TenantsId)) {
            let Some(theirs) = self.id_for(input, &self.world.own) else { continue };
            for who in [Who::ForeignAdmin, Who::ForeignService, Who::ForeignToken, Who::Operator] {
                // Every tenant and every request is an operator's; what is below another tenant's path is nobody's.
                if who == Who::Operator
                    && !["path key", "path webhook", "path event", "path batch", "path document"].contains(&input.as_str())
                {
                    continue;
                }
                findings.extend(self.foreign_id(input, &theirs, who).await);
            }
        }
        findings
    }

    /// `who` sends `theirs` where an id of his own would be right.
    async fn foreign_id(&self, input: &str, theirs: &str, who: Who) -> Option<String> {
        let answer = async |id: &str| normal(&self.send(who, &self.world.foreign, Some(Swap { input, id }), None).await, id);
        let never = answer(&never_was(theirs)).await;
        let theirs = answer(theirs).await;
        let name = &self.operation.name;
        if theirs != never {
            return Some(format!("{name}: {who:?} can tell by `{input}` what exists: {theirs:?} against {never:?}"));
        }
        if !input.starts_with("path ") {
            return None;
        }
        let nonsense = answer("nonsense-id").await;
        if nonsense != never {
            return Some(format!("{name}: {who:?} can tell by `{input}` what is an id: {nonsense:?} against {never:?}"));
        }
        let unknown_to_one_who_may = self.may(who) && never.0 != 404;
        unknown_to_one_who_may.then(|| format!("{name}: {who:?} got {} for an unknown `{input}`, not 404", never.0))
    }

    /// Whether `who` could use this operation on what is his.
    fn may(&self, who: Who) -> bool {
        let column = match who {
            Who::ForeignAdmin => Who::OwnAdmin,
            Who::ForeignService => Who::OwnService,
            Who::ForeignToken => Who::OwnToken,
            who => who,
        };
        (200..300).contains(&self.case.status(column))
    }

    /// A word that another tenant has used, such as an `Idempotency-Key`, means nothing here.
    async fn words(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for input in self.operation.inputs.iter().filter(|input| cases::holds(input) == Some(Holds::TenantsWord)) {
            let header = input.trim_start_matches("header ");
            let word = format!("word-{}", COUNT.fetch_add(1, Ordering::Relaxed));
            let own = self.send(Who::OwnAdmin, &self.world.own, None, Some((header, &word))).await.status;
            let foreign = self.send(Who::ForeignAdmin, &self.world.foreign, None, Some((header, &word))).await.status;
            if own != foreign {
                findings.push(format!("{}: `{header}` got {own}, the same of another tenant {foreign}", self.operation.name));
            }
            // A control: what this very tenant has used, with another body, is noticed.
            let used = self.send(Who::OwnAdmin, &self.world.own, None, Some((header, IDEMPOTENCY_KEY))).await.status;
            if used != 422 {
                findings.push(format!("{}: a used `{header}` with another body got {used}", self.operation.name));
            }
        }
        findings
    }

    /// The id of `household` that fits into `input`.
    fn id_for(&self, input: &str, household: &Household) -> Option<String> {
        let name = input.split(' ').nth(1)?;
        match name {
            // A cursor is the id of what the list holds.
            "cursor" => {
                let listed = self.operation.path().rsplit('/').next()?;
                let id = match listed {
                    "batches" => &household.batch,
                    "documents" => &household.document,
                    "keys" => &household.key,
                    "requests" => &household.request,
                    "deliveries" => &household.event,
                    _ => &household.tenant.id,
                };
                Some(id.clone())
            }
            "after" | "before" => {
                let path = self.operation.path();
                let id = match path.rsplit('/').next()? {
                    "files" if path.contains("/vector_stores/") => &household.store_file,
                    "files" => &household.file,
                    "vector_stores" => &household.vector_store,
                    _ => &household.batch,
                };
                Some(id.clone())
            }
            name => household.id(name).map(str::to_owned),
        }
    }

    /// The body, with files filled in from `ids`, but for one that is swapped.
    fn body(&self, make: fn(u64) -> Value, ids: &Household, swap: Option<&Swap<'_>>) -> Value {
        let mut body = make(COUNT.fetch_add(1, Ordering::Relaxed));
        for name in ["input_file_id", "file_id", "file_ids"] {
            let Some(file) = body.get_mut(name) else { continue };
            let swapped = swap.filter(|swap| swap.input == format!("body {name}")).map(|swap| swap.id);
            let id = Value::from(swapped.unwrap_or(&ids.file));
            *file = if file.is_array() { vec![id].into() } else { id };
        }
        body
    }

    async fn send(&self, who: Who, ids: &Household, swap: Option<Swap<'_>>, header: Option<(&str, &str)>) -> Reply {
        let caller = match self.world.credential(who, self.operator) {
            Some(credential) => self.target.with(credential),
            None => self.target.clone(),
        };
        let body = self.case.body.map(|make| self.body(make, ids, swap.as_ref()));
        let mut call = caller.call(self.operation.method(), &self.address(ids, swap));
        if let Some((name, value)) = header {
            call = call.header(name, value);
        }
        match body {
            Some(fields) if self.case.is_form => {
                let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
                let form = batch::form(&[("purpose", &text("purpose")), ("file", &text("file"))]);
                call.header("content-type", &batch::form_type()).body(form).send().await
            }
            Some(body) => call.json(&body).send().await,
            None => call.send().await,
        }
    }

    /// The path with every id filled in from `ids`, but for the one that is swapped.
    fn address(&self, ids: &Household, swap: Option<Swap<'_>>) -> String {
        let mut address = self.operation.path().to_owned();
        for input in &self.operation.inputs {
            let Some(name) = input.strip_prefix("path ") else { continue };
            let id = match &swap {
                Some(swap) if swap.input == input => swap.id,
                _ => ids.id(name).unwrap_or(match name {
                    "month" => "2024-02",
                    "provider" => PROVIDER,
                    _ => "sim-small",
                }),
            };
            address = address.replace(&format!("{{{name}}}"), id);
        }
        match swap.and_then(|swap| Some((swap.input.strip_prefix("query ")?, swap.id))) {
            Some((name, id)) => format!("{address}?{name}={id}"),
            None => address,
        }
    }
}

/// An id of the same kind that never existed, next to `id` in every order.
fn never_was(id: &str) -> String {
    let last = if id.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &id[..id.len() - 1])
}

/// What of an answer may not tell two ids apart: all of it but the request's id and the id that was sent.
fn normal(reply: &Reply, sent: &str) -> (u16, Vec<String>, String) {
    let mut headers: Vec<String> = reply.headers.keys().map(|name| name.as_str().to_owned()).collect();
    headers.sort();
    let mut text = reply.text().replace(sent, "{id}");
    if !reply.request_id().is_empty() {
        text = text.replace(reply.request_id(), "{request}");
    }
    // What was made a moment ago differs in what it was given: ids, times, secrets.
    if let Ok(Value::Object(body)) = serde_json::from_str(&text)
        && reply.status < 300
    {
        text = body.keys().cloned().collect::<Vec<_>>().join(",");
    }
    (reply.status, headers, text)
}
