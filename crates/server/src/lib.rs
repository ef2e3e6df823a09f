//! The HTTP surface: `/v1` in OpenAI's dialect, `/api/v1` for management, health, and the API document.
//!
//! This crate holds no business rule: it turns bytes into authorised calls of the engine, and answers and errors back
//! into bytes. It must never decide whose a request is from anything but its credential, and never name a storage engine.
//!
//! - [`router()`] lists every route; `routes/` and `data/` hold an operation a page.
//! - `extract/` hands handlers objects that are already authorised, and input that is already strict.
//! - `errors/` is the one place where an error becomes a status, a code and a body.
//! - [`serve()`] is the accept loop with its bounds, and the drain.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use insula_engine::Engine;
//! use insula_server::{App, ServerSettings, serve};
//! use tokio::net::TcpListener;
//!
//! # async fn run(engine: Arc<Engine>) -> std::io::Result<()> {
//! let app = App::new(engine, ServerSettings::default());
//! let listener = TcpListener::bind("127.0.0.1:8420").await?;
//! serve(listener, app, async { let _ = tokio::signal::ctrl_c().await; }).await;
//! # Ok(())
//! # }
//! ```

mod app;
mod auth;
mod data;
mod errors;
mod extract;
mod finish;
mod openapi;
mod patience;
mod reading_peer;
mod router;
mod routes;
mod serve;
mod settings;
mod wire;

pub use app::App;
pub use errors::BATCH_ERRORS;
pub use router::router;
pub use serve::serve;
pub use settings::ServerSettings;

#[cfg(test)]
mod tests;
