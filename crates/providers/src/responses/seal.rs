//! A vendor's seal on a thought, as callers keep it and send it again.

/// A vendor's seal on a thought as callers keep it: with the model's name, because no other vendor takes it back.
pub(super) fn sealed(signature: &str, model: &str) -> String {
    format!("{model}#{signature}")
}

/// The vendor's seal, where it is of this model.
pub(super) fn unsealed(kept: &str, model: &str) -> Option<String> {
    let (of, signature) = kept.rsplit_once('#')?;
    (of == model && !signature.is_empty()).then(|| signature.to_owned())
}
