//! A file in a multipart form, read as it arrives.

use axum::body::Body;
use http::{HeaderMap, header};
use insula_engine::files::{FileView, Upload, upload_bytes_max};
use insula_model::{Error, ErrorKind, FilePurpose, Result, TenantScope};
use multer::{Constraints, SizeLimit};

use super::paced::{Form, Part};
use crate::App;

/// Bytes of a field that is not the file.
const FIELD_BYTES_MAX: u64 = 4 * 1024;
/// Bytes of everything in a form but its file.
const FORM_BYTES_MAX: u64 = 64 * 1024;

/// Reads a form with the fields `file` and `purpose`, in any order, and keeps the file.
///
/// # Errors
/// [`ErrorKind::Invalid`] where a field is missing, unknown or wrong; [`ErrorKind::TooLarge`] where the file is, or the tenant
/// has no room for it. Nothing of it is kept then.
pub(super) async fn upload(app: &App, scope: &TenantScope, headers: &HeaderMap, body: Body) -> Result<FileView> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| Error::invalid("send the file as `multipart/form-data`, with the fields `file` and `purpose`"))?;
    let all = SizeLimit::new().whole_stream(upload_bytes_max(&app.engine) + FORM_BYTES_MAX);
    let constraints = Constraints::new().size_limit(all.for_field("purpose", FIELD_BYTES_MAX));
    let mut form = Form::new(body, boundary, constraints);
    let mut file = None;
    match read(app, scope, &mut form, &mut file).await {
        Ok(purpose) => file.ok_or_else(|| missing("file"))?.finish(purpose).await,
        Err(error) => {
            if let Some(begun) = file {
                begun.give_up().await;
            }
            Err(error)
        }
    }
}

/// Reads all fields, and begins the file where it comes; what it is for.
async fn read(app: &App, scope: &TenantScope, form: &mut Form, file: &mut Option<Upload>) -> Result<FilePurpose> {
    let mut purpose = None;
    while let Some(mut part) = form.next().await? {
        match part.field.name().unwrap_or_default() {
            "file" if file.is_none() => {
                let name = part.field.file_name().unwrap_or("file").to_owned();
                keep(&mut part, file.insert(Upload::begin(&app.engine, scope, &name).await?)).await?;
            }
            // Before a file that comes behind it is read.
            "purpose" if purpose.is_none() => purpose = Some(purpose_of(&part.text().await?)?),
            name => {
                let name: String = name.chars().take(64).collect();
                return Err(Error::invalid(format!("the form takes `file` and `purpose`, each once, not `{name}`")).at(name));
            }
        }
    }
    purpose.ok_or_else(|| missing("purpose"))
}

fn missing(name: &str) -> Error {
    Error::invalid(format!("the form has no field `{name}`")).at(name)
}

async fn keep(part: &mut Part, upload: &mut Upload) -> Result<()> {
    while let Some(chunk) = part.chunk().await? {
        upload.write(&chunk).await?;
    }
    Ok(())
}

fn purpose_of(text: &str) -> Result<FilePurpose> {
    let known = FilePurpose::UPLOADS.into_iter().find(|purpose| purpose.name() == text);
    known.ok_or_else(|| {
        let names: Vec<_> = FilePurpose::UPLOADS.iter().map(|purpose| format!("`{}`", purpose.name())).collect();
        Error::invalid(format!("files can be uploaded for the purposes {}", names.join(", "))).at("purpose")
    })
}

/// What a parser's message repeats is the caller's own, and may be anything: it is not passed on.
pub(crate) fn broken(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamSizeExceeded { limit } => {
            Error::new(ErrorKind::TooLarge, format!("the form is larger than {limit} bytes")).at("file")
        }
        multer::Error::FieldSizeExceeded { field_name, .. } => {
            Error::invalid("a field is longer than it may be").at(field_name.unwrap_or_default())
        }
        multer::Error::StreamReadFailed(_) | multer::Error::IncompleteStream => {
            Error::invalid("the body broke off before its end")
        }
        _ => Error::invalid("the body is no form as `multipart/form-data` says"),
    }
}
