//! Every call that a peer got is looked through: which tenant does its filter name?

use insula_model::TenantId;
use insula_qdrant::{
    CountPoints, DeleteCollection, DeletePoints, FacetCounts, Filter, Payload, QueryPoints, ScrollPoints, UpsertPoints,
    condition, matching, value,
};
use prost::Message;

use crate::Recorded;

/// What a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The points of one tenant.
    Tenant(TenantId),
    /// Points that name no tenant.
    Nobody,
    /// Collections, and how many points there are of whom.
    Administration,
}

/// Whom a call is about.
///
/// # Errors
/// What is wrong where it could touch somebody else.
pub fn about(call: &Recorded) -> Result<About, String> {
    let message = call.message.clone();
    let filtered =
        |filter: Option<Filter>| of_filter(filter.as_ref()).ok_or_else(|| format!("{} goes out without a tenant", call.method));
    match call.method.as_str() {
        "/qdrant.Points/Query" => filtered(read::<QueryPoints>(message)?.filter),
        "/qdrant.Points/Scroll" => filtered(read::<ScrollPoints>(message)?.filter),
        "/qdrant.Points/Count" => filtered(read::<CountPoints>(message)?.filter),
        "/qdrant.Points/Delete" => filtered(read::<DeletePoints>(message)?.points.and_then(|points| points.filter)),
        "/qdrant.Points/Upsert" => {
            let call: UpsertPoints = read(message)?;
            let About::Tenant(tenant) = filtered(call.update_filter)? else { return Err("an upsert of nobody's".into()) };
            let is_theirs = |payload: &Payload| payload.len() == 5 && word(payload, "tenant") == Some(tenant.bare());
            match call.points.iter().find(|point| !is_theirs(&point.payload)) {
                Some(point) => Err(format!("a point carries {:?}", point.payload)),
                None => Ok(About::Tenant(tenant)),
            }
        }
        // The name says whose it is, and no tenant's name is a shared one's.
        "/qdrant.Collections/Delete" => {
            let name = read::<DeleteCollection>(message)?.collection;
            let owner = name.split_once("-tenant-").and_then(|(_, rest)| TenantId::from_bare(rest.split('-').next()?));
            owner.map(About::Tenant).ok_or_else(|| format!("{name} is nobody's own"))
        }
        "/qdrant.Points/Facet" if read::<FacetCounts>(message.clone())?.key == "tenant" => Ok(About::Administration),
        "/qdrant.Collections/List" | "/qdrant.Collections/Create" | "/qdrant.Points/CreateFieldIndex" => {
            Ok(About::Administration)
        }
        other => Err(format!("nobody has looked through {other}")),
    }
}

/// The tenant that every point must be of which passes.
fn of_filter(filter: Option<&Filter>) -> Option<About> {
    filter?.must.iter().find_map(|condition| match condition.kind.as_ref()? {
        condition::Kind::Field(field) if field.key == "tenant" => match field.r#match.as_ref()?.kind.as_ref()? {
            matching::Kind::Keyword(word) => TenantId::from_bare(word).map(About::Tenant),
            _ => None,
        },
        condition::Kind::IsEmpty(empty) if empty.key == "tenant" => Some(About::Nobody),
        _ => None,
    })
}

fn read<M: Message + Default>(message: bytes::Bytes) -> Result<M, String> {
    M::decode(message).map_err(|error| error.to_string())
}

fn word(payload: &Payload, key: &str) -> Option<String> {
    match payload.get(key)?.kind.as_ref()? {
        value::Kind::Text(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use insula_qdrant::{Condition, FieldCondition, IsEmpty, Match, PointsSelector};

    use super::*;

    fn recorded(method: &str, message: &impl Message) -> Recorded {
        Recorded { method: format!("/qdrant.{method}"), message: message.encode_to_vec().into(), api_key: None }
    }

    /// A call that nobody guarded is found, of every kind.
    #[test]
    fn a_call_without_its_tenant_is_found() {
        let condition = |kind| Condition { kind: Some(kind) };
        let names = |key: &str| {
            let tenant = TenantId::from_bytes([7; 16]).bare();
            let r#match = Some(Match { kind: Some(matching::Kind::Keyword(tenant)) });
            condition(condition::Kind::Field(FieldCondition { key: key.to_owned(), r#match, range: None }))
        };
        let nothing = Filter::default();
        let another_field = Filter { must: vec![names("document")], ..Filter::default() };
        let all_but_theirs = Filter { must_not: vec![names("tenant")], ..Filter::default() };
        let theirs_or_not = Filter { should: vec![names("tenant")], ..Filter::default() };
        for filter in [None, Some(nothing), Some(another_field), Some(all_but_theirs), Some(theirs_or_not)] {
            let points = Some(PointsSelector { filter: filter.clone() });
            for call in [
                recorded("Points/Query", &QueryPoints { filter: filter.clone(), ..QueryPoints::default() }),
                recorded("Points/Scroll", &ScrollPoints { filter: filter.clone(), ..ScrollPoints::default() }),
                recorded("Points/Count", &CountPoints { filter: filter.clone(), ..CountPoints::default() }),
                recorded("Points/Delete", &DeletePoints { points, ..DeletePoints::default() }),
                recorded("Points/Upsert", &UpsertPoints { update_filter: filter.clone(), ..UpsertPoints::default() }),
            ] {
                assert!(about(&call).is_err(), "{call:?}");
            }
        }
        assert!(about(&recorded("Points/Get", &CountPoints::default())).is_err(), "a kind of call that has no filter");
        assert!(about(&recorded("Points/Facet", &FacetCounts::default())).is_err(), "a facet of something else");
        let shared = DeleteCollection { collection: "insula-shared-8".to_owned() };
        assert!(about(&recorded("Collections/Delete", &shared)).is_err());

        let guarded = Filter { must: vec![names("tenant")], ..Filter::default() };
        let tenant = About::Tenant(TenantId::from_bytes([7; 16]));
        assert_eq!(about(&recorded("Points/Count", &CountPoints { filter: Some(guarded), ..Default::default() })), Ok(tenant));
        let nobodys = condition(condition::Kind::IsEmpty(IsEmpty { key: "tenant".to_owned() }));
        let nobodys = Filter { must: vec![nobodys], ..Filter::default() };
        let call = CountPoints { filter: Some(nobodys), ..CountPoints::default() };
        assert_eq!(about(&recorded("Points/Count", &call)), Ok(About::Nobody));
    }
}
