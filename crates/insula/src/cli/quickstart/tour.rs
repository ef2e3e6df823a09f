//! What the tour carries from step to step.

use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use insula_model::{Clock, IdGenerator, OsRandom, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::cli::{
    client::{Client, Reply},
    exit::Failure,
};

/// How soon a finished request must be readable: the promise of the API.
const READABLE_MAX: Duration = Duration::from_secs(1);

/// A tenant of the tour and someone who holds its admin key.
pub struct Guest {
    /// Its slug.
    pub slug: String,
    /// Its holder.
    pub client: Client,
}

/// The tour.
pub struct Tour {
    /// Holds the operator key.
    pub operator: Client,
    /// The first tenant.
    pub ada: Option<Guest>,
    /// The second tenant.
    pub bob: Option<Guest>,
    /// The model to talk to.
    pub model: String,
    /// The request that the first tenant made.
    pub request_id: String,
    /// Ids that nobody else has.
    pub ids: IdGenerator,
    made: Vec<String>,
}

impl Tour {
    /// A tour of the server at `url`.
    pub fn new(url: &str, operator_key: String, model: String) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let ids = IdGenerator::new(clock, Arc::new(OsRandom));
        let operator = Client::network(url, Some(operator_key))?;
        Ok(Self { operator, ada: None, bob: None, model, request_id: String::new(), ids, made: Vec::new() })
    }

    /// The first tenant, once it was made.
    pub fn ada(&self) -> Result<&Guest, Failure> {
        self.ada.as_ref().ok_or_else(|| Failure::failed("the tenants were not made"))
    }

    /// The second tenant, once it was made.
    pub fn bob(&self) -> Result<&Guest, Failure> {
        self.bob.as_ref().ok_or_else(|| Failure::failed("the tenants were not made"))
    }

    /// A new tenant with an admin key.
    pub async fn guest(&mut self, name: &str) -> Result<Guest, Failure> {
        let slug = format!("tour-{name}-{}", self.ids.tenant().bare());
        self.operator.post("/api/v1/tenants", Some(&json!({ "slug": slug, "name": format!("Tour: {name}") }))).await?;
        self.made.push(slug.clone());
        let body = json!({ "name": "tour", "role": "admin" });
        let key = json_of(&self.operator.post(&format!("/api/v1/tenants/{slug}/keys"), Some(&body)).await?)?;
        let key = super::expect::text(&key, "/key")?.to_owned();
        Ok(Guest { slug, client: self.operator.with_key(&key)? })
    }

    /// The body of a short chat.
    pub fn chat(&self, text: &str) -> Value {
        json!({ "model": self.model, "max_tokens": 64, "messages": [{ "role": "user", "content": text }] })
    }

    /// Erases what the tour made; the receipts.
    pub async fn clean_up(&mut self) -> Result<Vec<Value>, Failure> {
        let mut receipts = Vec::new();
        while let Some(slug) = self.made.pop() {
            receipts.push(json_of(&self.operator.delete(&format!("/api/v1/tenants/{slug}")).await?)?);
        }
        Ok(receipts)
    }
}

impl Guest {
    /// Sends a chat and reads the whole answer, whatever its status.
    pub async fn ask(&self, body: &Value) -> Result<Reply, Failure> {
        self.client.call(Method::POST, "/v1/chat/completions", HeaderMap::new(), Some(body)).await
    }

    /// Reads a path, whatever the status.
    pub async fn look(&self, path: &str) -> Result<(u16, Value), Failure> {
        let reply = self.client.call(Method::GET, path, HeaderMap::new(), None).await?;
        Ok((reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or_default()))
    }

    /// Reads a path that appears soon: asks again until it is there or a second is over.
    pub async fn look_soon(&self, path: &str) -> Result<(u16, Value), Failure> {
        let asked = Instant::now();
        loop {
            let (status, body) = self.look(path).await?;
            if status != 404 || asked.elapsed() > READABLE_MAX {
                return Ok((status, body));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A body as JSON.
pub fn json_of(body: &str) -> Result<Value, Failure> {
    serde_json::from_str(body).map_err(|error| Failure::failed(format!("the answer is no JSON: {error}")))
}
