//! What a filter lets through, as Qdrant documents it.

use insula_qdrant::{Condition, FieldCondition, Filter, Payload, Value, condition, matching::Kind, value};

/// Whether a point with this payload passes.
pub(crate) fn holds(filter: &Filter, payload: &Payload) -> bool {
    filter.must.iter().all(|condition| passes(condition, payload))
        && !filter.must_not.iter().any(|condition| passes(condition, payload))
        && (filter.should.is_empty() || filter.should.iter().any(|condition| passes(condition, payload)))
}

fn passes(condition: &Condition, payload: &Payload) -> bool {
    match condition.kind.as_ref().unwrap() {
        condition::Kind::Field(field) => field_passes(field, payload.get(&field.key)),
        condition::Kind::IsEmpty(empty) => payload.get(&empty.key).is_none_or(|value| value.kind.is_none()),
        condition::Kind::Filter(filter) => holds(filter, payload),
    }
}

fn field_passes(field: &FieldCondition, value: Option<&Value>) -> bool {
    let Some(value) = value.and_then(|value| value.kind.as_ref()) else { return false };
    let is_matched = field.r#match.as_ref().is_none_or(|wanted| match (wanted.kind.as_ref().unwrap(), value) {
        (Kind::Keyword(wanted), value::Kind::Text(text)) => wanted == text,
        (Kind::Keywords(wanted), value::Kind::Text(text)) => wanted.strings.contains(text),
        (Kind::Integer(wanted), value::Kind::Integer(number)) => wanted == number,
        (Kind::Integers(wanted), value::Kind::Integer(number)) => wanted.integers.contains(number),
        _ => false,
    });
    let is_within = field.range.as_ref().is_none_or(|range| match value {
        value::Kind::Integer(number) => {
            let number = *number as f64;
            range.gte.is_none_or(|from| number >= from) && range.lt.is_none_or(|end| number < end)
        }
        _ => false,
    });
    is_matched && is_within
}
