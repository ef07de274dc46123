//! A backup of this controller, sealed to whoever has the passphrase.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{JsonBody, required};
use super::{Api, Problem};
use crate::backup::Recipient;
use crate::error::{Code, FarmError};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(make))
}

/// What `POST /backup` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BackupBody {
    /// To whom it is sealed: `BAK1-...`, which holds no secret.
    #[schema(required = true, nullable = false)]
    recipient: Option<String>,
}

/// All of this controller in one encrypted file.
#[utoipa::path(post, path = "/backup", tag = "care", operation_id = "makeBackup",
    security(("token" = [Scope::Admin])),
    request_body = BackupBody,
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>)))]
async fn make(
    State(api): State<Api>,
    JsonBody(body): JsonBody<BackupBody>,
) -> Result<([(HeaderName, &'static str); 1], Vec<u8>), Problem> {
    let recipient: Recipient = required("recipient", body.recipient.as_deref())?;
    let Some(dirs) = api.dirs.clone() else {
        let message = "this controller keeps no files that a backup could be made of";
        return Err(Problem::new(StatusCode::CONFLICT, "NO_FILES", message));
    };
    let farm = Arc::clone(&api.farm);
    let (done, sealed) = smol::channel::bounded(1);
    // The disk is waited for, which is no work for the thread that all links share.
    let made = std::thread::Builder::new()
        .name("backup".to_owned())
        .spawn(move || done.send_blocking(farm.backup(&dirs, &recipient)));
    let sealed = match made {
        Ok(_) => sealed.recv().await.ok(),
        Err(_) => None,
    };
    let sealed = sealed.unwrap_or_else(|| {
        let message = "no backup was made: there is no thread for it";
        Err(FarmError::new(Code::InternalError, message))
    })?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], sealed))
}
