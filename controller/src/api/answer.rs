//! Answers that are one word and perhaps whom it is about, as the original gives them.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// One word.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// `healthy` or `ready`.
    pub(super) status: &'static str,
}

/// What was done, and to whom.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// What was done, such as `removed`.
    status: &'static str,
    /// Whom or what it was done to.
    id: String,
}

impl Done {
    pub(super) fn new(status: &'static str, id: impl ToString) -> Json<Self> {
        let id = id.to_string();
        Json(Self { status, id })
    }
}
