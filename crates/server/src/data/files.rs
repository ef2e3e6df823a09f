//! `/v1/files`.

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderValue, Request, header};
use insula_engine::Dialect;
use insula_engine::files::{self, FilePage, FileView};
use insula_model::{Error, FileId, FilePurpose, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::{self, Paged},
    arrival::Arrival,
    file_body::FileBody,
    form,
};
use crate::{
    App,
    errors::{self, Failure},
    extract::{PathTexts, strict_query},
};

/// Files on a page, where the caller does not say, and at most.
const PAGE_DEFAULT: u32 = 100;
const PAGE_MAX: u32 = 1_000;

/// A file in OpenAI's form.
#[derive(Serialize, ToSchema)]
pub struct File {
    /// Its id.
    id: String,
    /// Always `file`.
    object: &'static str,
    /// Its size.
    bytes: u64,
    /// When it was uploaded or written, seconds since 1970.
    created_at: i64,
    /// Its name.
    filename: String,
    /// What it is for.
    purpose: FilePurpose,
    /// Always `processed`.
    status: &'static str,
}

impl From<FileView> for File {
    fn from(file: FileView) -> Self {
        Self {
            id: file.id.to_string(),
            object: "file",
            bytes: file.bytes,
            created_at: file.created_at.seconds(),
            filename: file.name,
            purpose: file.purpose,
            status: "processed",
        }
    }
}

/// That a file is gone.
#[derive(Serialize, ToSchema)]
pub struct DeletedFile {
    /// Its id.
    id: String,
    /// Always `file`.
    object: &'static str,
    /// Always true.
    deleted: bool,
}

/// What is uploaded.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the API document: the form is read as it arrives")]
pub struct FileForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: String,
    /// `batch`, `assistants`, `user_data`, `vision` or `evals`.
    purpose: String,
}

/// Which files.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FilesQuery {
    /// Only those for this.
    #[param(inline)]
    purpose: Option<FilePurpose>,
    /// The last file of the page before.
    after: Option<String>,
    /// Files on the page; 100 where absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `desc` for the newest first, which is the default, or `asc`.
    order: Option<String>,
}

impl FilesQuery {
    fn page(&self) -> Result<FilePage> {
        let limit = self.limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Error::invalid(format!("a page has 1 to {PAGE_MAX} files")).at("limit"));
        }
        let after = self.after.as_deref().map(str::parse).transpose();
        let after = after.map_err(|_| Error::invalid("`after` is the id of a file").at("after"))?;
        let oldest_first = match self.order.as_deref() {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Err(Error::invalid("`order` is `asc` or `desc`").at("order")),
        };
        Ok(FilePage { purpose: self.purpose, after, oldest_first, limit })
    }
}

/// Uploads a file. It is sealed with the tenant's key as it arrives.
#[utoipa::path(
    post,
    path = "/v1/files",
    operation_id = "upload_file",
    tag = "data plane",
    request_body(description = "The file and its purpose", content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The file", body = File),
        (status = 400, description = "The form is wrong; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 413, description = "The file is too large, or the tenant has no room for it"),
        (status = 503, description = "This node takes nothing new"),
    ),
    security(("tenantKey" = []))
)]
pub async fn upload_file(State(app): State<App>, request: Request<Body>) -> Response {
    let arrival = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let (id, scope, headers) = (arrival.call.request, arrival.call.credential.scope, arrival.head.headers.clone());
    match form::upload(&app, &scope, &headers, arrival.into_body()).await {
        Ok(file) => answer::json(&File::from(file), Dialect::ChatCompletions, id),
        Err(error) => errors::openai(&error, id),
    }
}

/// Lists a tenant's files.
#[utoipa::path(
    get,
    path = "/v1/files",
    operation_id = "list_files",
    tag = "data plane",
    params(FilesQuery),
    responses(
        (status = 200, description = "A page of files", body = Paged<File>),
        (status = 400, description = "A parameter is wrong; `param` names it"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
    ),
    security(("tenantKey" = []))
)]
pub async fn list_files(State(app): State<App>, request: Request<Body>) -> Response {
    let arrival = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let listed = async {
        let page = strict_query::<FilesQuery>(&arrival.head.uri)?.page()?;
        files::list(&app.engine, &arrival.call.credential.scope, &page).await
    };
    match listed.await {
        Ok((files, more)) => {
            let page = Paged::new(files.into_iter().map(File::from).collect(), more, |file| &file.id);
            answer::json(&page, Dialect::ChatCompletions, arrival.call.request)
        }
        Err(error) => errors::openai(&error, arrival.call.request),
    }
}

/// Shows a file.
#[utoipa::path(
    get,
    path = "/v1/files/{file_id}",
    operation_id = "retrieve_file",
    tag = "data plane",
    params(("file_id" = String, Path, description = "The file's id")),
    responses(
        (status = 200, description = "The file", body = File),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such file"),
    ),
    security(("tenantKey" = []))
)]
pub async fn retrieve_file(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    let call = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival.call,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let found = async { files::find(&app.engine, &call.credential.scope, named(path)?).await };
    match found.await {
        Ok(file) => answer::json(&File::from(file), Dialect::ChatCompletions, call.request),
        Err(error) => errors::openai(&error, call.request),
    }
}

/// Downloads a file as it was uploaded or written.
#[utoipa::path(
    get,
    path = "/v1/files/{file_id}/content",
    operation_id = "download_file",
    tag = "data plane",
    params(("file_id" = String, Path, description = "The file's id")),
    responses(
        (status = 200, description = "The file's content", content_type = "application/octet-stream"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such file"),
    ),
    security(("tenantKey" = []))
)]
pub async fn download_file(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    let call = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival.call,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let opened = async { files::read(&app.engine, &call.credential.scope, named(path)?).await };
    match opened.await {
        Ok((file, reader)) => {
            let mut response = Response::new(Body::new(FileBody::new(reader, file.bytes)));
            let headers = response.headers_mut();
            headers.insert(errors::REQUEST_ID, errors::request_id_value(call.request));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            // Whatever it holds is nothing for a browser to run.
            headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }
        Err(error) => errors::openai(&error, call.request),
    }
}

/// Removes a file for good.
#[utoipa::path(
    delete,
    path = "/v1/files/{file_id}",
    operation_id = "delete_file",
    tag = "data plane",
    params(("file_id" = String, Path, description = "The file's id")),
    responses(
        (status = 200, description = "It is gone", body = DeletedFile),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's or an end user's"),
        (status = 404, description = "No such file"),
        (status = 409, description = "A batch that is not over reads it"),
    ),
    security(("tenantKey" = []))
)]
pub async fn delete_file(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    let call = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival.call,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let removed = async {
        // Before the id is looked at: nothing is told of files.
        files::may_remove(&call.credential)?;
        let id = named(path)?;
        files::remove(&app.engine, &call.credential, id).await.map(|()| id)
    };
    match removed.await {
        Ok(id) => answer::json(
            &DeletedFile { id: id.to_string(), object: "file", deleted: true },
            Dialect::ChatCompletions,
            call.request,
        ),
        Err(error) => errors::openai(&error, call.request),
    }
}

/// A text that is no id names nothing.
fn named(path: Result<PathTexts, Failure>) -> Result<FileId> {
    let text = path.map_err(|_| files::no_such_file())?;
    text.get("file_id")?.parse().map_err(|_| files::no_such_file())
}
