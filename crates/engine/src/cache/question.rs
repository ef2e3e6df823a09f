//! What is asked: everything on which an answer depends, hashed with a secret of its tenant's.

use insula_model::CacheRules;
use insula_providers::Dialect;
use insula_store::{AnswerKey, TenantSeals};
use serde::Serialize;

use crate::{
    Call, Engine,
    route::{self, Stated},
    work::Work,
};

/// Counts the forms that keys were made in: a new form finds none of the old one's answers.
const FORM: &[u8] = b"2";

/// What an answer depends on beside its request. Each is absent while nothing of its kind takes part.
#[derive(Default, Serialize)]
struct Versions<'a> {
    prompt: Option<&'a str>,
    policy: Option<&'a str>,
    memory: Option<u64>,
    corpus_epoch: Option<u64>,
    /// What was found in that, and for whom.
    found: Option<[u8; 32]>,
}

/// What the answer to a call is kept under; or, in a word or two, why it is not kept.
pub(super) fn key(
    engine: &Engine,
    call: &Call,
    work: &Work,
    rules: &CacheRules,
    seals: &TenantSeals,
) -> Result<AnswerKey, &'static str> {
    let tenant = &*call.credential.tenant;
    // Who may not call the model any more is refused where that is said; and a name that means other models asks another question.
    // Which of them is chosen makes no difference: whoever asks wants the answer of any.
    let (model, routes) = route::meant(engine, tenant, work, Stated::by(call)).map_err(|_| "model")?;
    let names = routes.iter().map(|route| (&route.card.provider, &route.card.name, &route.card.snapshot)).collect::<Vec<_>>();
    // An approved version is part of the question: what came before the approval does not answer it.
    let meant = serde_json::to_vec(&(model, names, &tenant.routing.locks)).map_err(|_| "model")?;
    let question = work.question()?;
    let is_per_end_user = rules.per_end_user != Some(false);
    let end_user = call.end_user.as_ref().filter(|_| is_per_end_user).map(|user| *user.id.as_bytes());
    let (corpus_epoch, found) = work.grounds().map(|grounds| grounds.identity()).unzip();
    let versions = postcard::to_stdvec(&Versions { corpus_epoch, found, ..Versions::default() }).map_err(|_| "versions")?;
    // Whatever changes about the tenant, also that it was suspended, leaves its older answers behind.
    let tenant_version = tenant.record.version.to_le_bytes();
    Ok(seals.answer_key(&[
        FORM,
        &tenant_version,
        &[u8::from(is_per_end_user)],
        end_user.as_ref().map_or(&[], |id| &id[..]),
        &versions,
        dialect(work).as_bytes(),
        work.operation().name().as_bytes(),
        &[u8::from(work.is_stream())],
        &meant,
        &question,
    ]))
}

/// The form in which the caller asks, and is answered.
fn dialect(work: &Work) -> &'static str {
    match work.dialect() {
        Dialect::ChatCompletions => "chat_completions",
        Dialect::Responses => "responses",
        Dialect::Messages => "messages",
    }
}
