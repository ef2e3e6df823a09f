//! What a trace's sealed part looked like in earlier versions; never changed.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{AttemptRecord, Content, RequestDetail, StageRecord};
use crate::{CacheRecord, RouteRecord};

/// The first.
#[derive(Deserialize)]
pub(super) struct FirstDetail {
    stages: Vec<StageRecord>,
    attempts: Vec<AttemptRecord>,
    content: Option<Content>,
}

impl From<FirstDetail> for RequestDetail {
    fn from(FirstDetail { stages, attempts, content }: FirstDetail) -> Self {
        Self { stages, attempts, content, end_user: None, tags: BTreeMap::new(), route: None, cache: None, retrieval: None }
    }
}

/// The second.
#[derive(Deserialize)]
pub(super) struct SecondDetail {
    stages: Vec<StageRecord>,
    attempts: Vec<AttemptRecord>,
    content: Option<Content>,
    end_user: Option<String>,
    tags: BTreeMap<String, String>,
}

impl From<SecondDetail> for RequestDetail {
    fn from(SecondDetail { stages, attempts, content, end_user, tags }: SecondDetail) -> Self {
        Self { stages, attempts, content, end_user, tags, route: None, cache: None, retrieval: None }
    }
}

/// The third.
#[derive(Deserialize)]
pub(super) struct ThirdDetail {
    stages: Vec<StageRecord>,
    attempts: Vec<AttemptRecord>,
    content: Option<Content>,
    end_user: Option<String>,
    tags: BTreeMap<String, String>,
    route: Option<RouteRecord>,
    cache: Option<CacheRecord>,
}

impl From<ThirdDetail> for RequestDetail {
    fn from(ThirdDetail { stages, attempts, content, end_user, tags, route, cache }: ThirdDetail) -> Self {
        Self { stages, attempts, content, end_user, tags, route, cache, retrieval: None }
    }
}
