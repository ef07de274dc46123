//! Rigs that boot over the network.

use std::fmt::Display;

use axum::Json;
use axum::extract::State;
use miner_shared::dhcp::Mac;
use miner_shared::text::Label;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::JsonBody;
use super::paging::{Listing, Page};
use super::{Api, Problem};
use crate::farm::{BOOT_KEPT_MS, BootReport, BootStep, BootView, MAX_REPORTED_BOOTS};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list, report))
}

/// Rigs that boot over the network, by the address of their network card, and how far they have come.
///
/// What boot servers told in the last day, since this controller began. A boot is `linked` once the peer that
/// has the address is, as it tells itself.
#[utoipa::path(get, path = "/boots", tag = "peers", operation_id = "listBoots",
    security(("token" = [Scope::Read])),
    params(Page), responses((status = 200, body = Vec<BootView>)))]
pub(super) async fn list(State(api): State<Api>, page: Page) -> Result<Listing<BootView>, Problem> {
    page.of(api.farm.boots(), |boot| boot.mac.clone())
}

/// What `POST /boots` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BootsBody {
    /// One for each rig that made a step.
    #[schema(max_items = 100)]
    boots: Vec<BootBody>,
}

/// How far a rig has come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BootBody {
    /// Hardware address, `52:54:00:12:34:56`.
    mac: String,
    /// Its last step; whether it is `linked` the controller knows by itself.
    step: BootStep,
    /// The file that this is about.
    file: Option<String>,
    /// Bytes of it that the rig has.
    bytes: Option<u64>,
    /// Bytes of it.
    size: Option<u64>,
    /// Why not, where a step says that something did not happen.
    reason: Option<String>,
    /// Since the step, in milliseconds; 0 without it, a day at the most.
    #[schema(maximum = 86_400_000)]
    age_ms: Option<u64>,
}

impl BootBody {
    fn check(&self, index: usize) -> Result<BootReport, Problem> {
        let named = |field: &str| format!("boots[{index}].{field}");
        let wrong = |field: &str, why: &dyn Display| Problem::invalid(named(field), why);
        let label = |field: &str, text: &Option<String>| {
            let text = text.as_deref().map(Label::parse).transpose();
            text.map_err(|why| wrong(field, &why))
        };
        let age_ms = self.age_ms.unwrap_or_default();
        if age_ms > BOOT_KEPT_MS {
            let why = format!("it must be at most {BOOT_KEPT_MS}");
            return Err(wrong("ageMs", &why));
        }
        if self.step == BootStep::Linked {
            let why = "a rig is linked when it says so itself";
            return Err(wrong("step", &why));
        }
        Ok(BootReport {
            mac: self.mac.parse::<Mac>().map_err(|why| wrong("mac", &why))?,
            step: self.step,
            file: label("file", &self.file)?,
            bytes: self.bytes,
            size: self.size,
            reason: label("reason", &self.reason)?,
            age_ms,
        })
    }
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Noted {
    /// Boots that are noted.
    noted: usize,
}

/// Tells how far rigs have come that boot over the network.
///
/// `pxe serve` does it. It is shown, and changes no rig.
#[utoipa::path(post, path = "/boots", tag = "peers", operation_id = "reportBoots",
    security(("token" = [Scope::Operate])),
    request_body = BootsBody, responses((status = 200, body = Noted)))]
pub(super) async fn report(
    State(api): State<Api>,
    JsonBody(body): JsonBody<BootsBody>,
) -> Result<Json<Noted>, Problem> {
    if body.boots.len() > MAX_REPORTED_BOOTS {
        let why = format!("it must have at most {MAX_REPORTED_BOOTS}");
        return Err(Problem::invalid("boots", why));
    }
    let boots = body.boots.iter().enumerate();
    let reports = boots.map(|(index, boot)| boot.check(index));
    let reports: Vec<_> = reports.collect::<Result<_, _>>()?;
    let noted = reports.len();
    api.farm.note_boots(reports);
    Ok(Json(Noted { noted }))
}
