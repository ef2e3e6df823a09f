//! A document as it is sent: in JSON, or as a form with a file, which is kept as it arrives.

use std::collections::BTreeMap;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use insula_engine::manage::documents::{self, DocumentView, Handing, Metadata, NewDocument, access_list, document_bytes_max};
use insula_model::{Error, ErrorKind, Result, TenantScope};
use multer::{Constraints, SizeLimit};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    App,
    data::{
        BodyPermit,
        paced::{Form, Part},
    },
    extract::strict_json,
};

/// Bytes of a field that is not the file.
const FIELD_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of everything in a form but its file.
const FORM_BYTES_MAX: u64 = 256 * 1024;

/// A document's text and what to write to it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentText {
    /// What it is called; an ending such as `.md` says what it is.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// All of it.
    text: String,
    /// What it is, such as `text/markdown`.
    media_type: Option<String>,
    /// Fields to filter by: text, numbers, true and false, and lists of them.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: BTreeMap<String, Value>,
    /// The end users who may see it; all where nobody is named.
    #[serde(default)]
    access: Vec<String>,
}

/// A document as a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the API document: the form is read as it arrives")]
pub(crate) struct DocumentForm {
    /// The document.
    #[schema(value_type = String, format = Binary)]
    file: String,
    /// What it is called; the file's name where absent.
    name: Option<String>,
    /// Fields to filter by, as a JSON object.
    metadata: Option<String>,
    /// The end users who may see it, as a JSON list.
    access: Option<String>,
}

/// Takes a document from a request.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming the field that is wrong; [`ErrorKind::TooLarge`] where the document is, or there is no room
/// for it. Nothing of it is kept then.
pub(in crate::routes) async fn take(app: &App, scope: &TenantScope, request: Request<Body>) -> Result<DocumentView> {
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        return form(app, scope, &head.headers, body).await;
    }
    // Kept until it is handed in: so long it is in memory.
    let (sent, _room) = read(app, scope, body).await?;
    let DocumentText { name, text, media_type, metadata, access } = strict_json(&sent)?;
    let (metadata, access) = (Metadata::parse(&metadata)?, access_list(access)?);
    let new = NewDocument { name, file_name: None, media_type, metadata, access };
    documents::add(&app.engine, scope, new, text.as_bytes()).await
}

/// All of a body, within what one may have and what all of them together may hold.
async fn read(app: &App, scope: &TenantScope, body: Body) -> Result<(Bytes, Option<BodyPermit>)> {
    let bytes_max = app.settings.body_bytes_max;
    let too_large = || {
        let message = format!("the body is larger than {bytes_max} bytes; send the document as a file in a form");
        Error::new(ErrorKind::TooLarge, message)
    };
    let size = http_body::Body::size_hint(&body);
    if size.lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let room = app.body_room.take(scope.tenant(), size.exact().unwrap_or(bytes_max as u64))?;
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok((body.to_bytes(), room)),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Error::invalid("the body broke off before its end")),
    }
}

/// A form with the field `file`, and `name`, `metadata` and `access` where they are wanted, in any order.
async fn form(app: &App, scope: &TenantScope, headers: &HeaderMap, body: Body) -> Result<DocumentView> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary =
        multer::parse_boundary(content_type).map_err(|_| Error::invalid("the content type of the form names no boundary"))?;
    let mut sizes = SizeLimit::new().whole_stream(document_bytes_max(&app.engine).saturating_add(FORM_BYTES_MAX));
    for field in ["name", "metadata", "access"] {
        sizes = sizes.for_field(field, FIELD_BYTES_MAX);
    }
    let mut form = Form::new(body, boundary, Constraints::new().size_limit(sizes));
    let (mut file, mut name, mut metadata, mut access) = (None, None, None, None);
    while let Some(mut part) = form.next().await? {
        match part.field.name().unwrap_or_default() {
            "file" if file.is_none() => file = Some(keep(app, scope, &mut part).await?),
            "name" if name.is_none() => name = Some(part.text().await?),
            "metadata" if metadata.is_none() => {
                metadata = Some(Metadata::parse(&json(&part.text().await?, "metadata")?)?);
            }
            "access" if access.is_none() => access = Some(access_list(json(&part.text().await?, "access")?)?),
            name => {
                let name: String = name.chars().take(64).collect();
                let message = format!("the form takes `file`, `name`, `metadata` and `access`, each once, not `{name}`");
                return Err(Error::invalid(message).at(name));
            }
        }
    }
    let (handing, file_name, media_type) = file.ok_or_else(|| Error::invalid("the form has no field `file`").at("file"))?;
    let name = name.unwrap_or_else(|| file_name.clone());
    let (metadata, access) = (metadata.unwrap_or_default(), access.unwrap_or_default());
    handing.finish(&app.engine, NewDocument { name, file_name: Some(file_name), media_type, metadata, access }).await
}

/// A file as it arrives; with its name and what it is said to be.
async fn keep(app: &App, scope: &TenantScope, part: &mut Part) -> Result<(Handing, String, Option<String>)> {
    let name = part.field.file_name().unwrap_or_default().to_owned();
    let media_type = part.field.content_type().map(|media_type| media_type.essence_str().to_owned());
    let mut handing = Handing::begin(&app.engine, scope).await?;
    while let Some(chunk) = part.chunk().await? {
        handing.write(&chunk).await.map_err(|error| error.at("file"))?;
    }
    Ok((handing, name, media_type))
}

fn json<T: DeserializeOwned>(text: &str, field: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| Error::invalid(format!("`{field}` is no JSON as it is wanted")).at(field))
}
