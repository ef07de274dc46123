//! The options of service and profiles as data, for whoever builds a form.

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use crate::options::{OptionView, describe};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list))
}

/// Every option of the service and of profiles: type, range, default, help.
///
/// What it is defined to be, not what it is set to.
#[utoipa::path(get, path = "/options", tag = "node", operation_id = "listOptions",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = Vec<OptionView>)))]
pub(super) async fn list() -> Json<Vec<OptionView>> {
    Json(describe())
}
