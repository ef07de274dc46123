//! Many rigs at a time: selectors, labels, groups.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use miner_shared::text::Name;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Asker, confirm_payout};
use super::extract::{JsonBody, PeerPath, optional, required};
use super::{Api, Problem};
use crate::farm::action::Action;
use crate::farm::select::Selector;
use crate::farm::{Bulk, BulkView, GroupsView, PeerView, Rigs};
use crate::registry::{LabelName, Relabel};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(change))
        .routes(routes!(groups))
        .routes(routes!(bulk))
}

/// Which rigs a list is about.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SelectQuery {
    /// A selector, such as `group=shed state=offline`; all without it.
    select: Option<String>,
}

/// The selector of a list; none, or a blank one, is all.
pub(super) fn selector(
    query: Result<Query<SelectQuery>, QueryRejection>,
) -> Result<Selector, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("select", why))?;
    let text = query.select.filter(|text| !text.trim().is_empty());
    Ok(optional::<Selector>("select", text.as_deref())?.unwrap_or_else(Selector::all))
}

/// What `PATCH /peers/{id}` takes. What is absent stays as it is; `null` takes a group or site away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// The name from now on.
    name: Option<String>,
    /// The group from now on.
    #[serde(default, deserialize_with = "given")]
    group: Option<Option<String>>,
    /// The site from now on.
    #[serde(default, deserialize_with = "given")]
    site: Option<Option<String>>,
    /// All tags from now on, at most 16.
    tags: Option<Vec<String>>,
    /// Tags to add.
    #[serde(default)]
    add_tags: Vec<String>,
    /// Tags to take away.
    #[serde(default)]
    remove_tags: Vec<String>,
}

/// Tells a field that is `null` from one that is not there.
fn given<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(field).map(Some)
}

impl ChangeBody {
    /// The labels, checked.
    fn labels(&self) -> Result<Relabel, Problem> {
        let one = |field, given: &Option<Option<String>>| {
            let text = given.as_ref().map(|text| optional(field, text.as_deref()));
            text.transpose()
        };
        Ok(Relabel {
            group: one("group", &self.group)?,
            site: one("site", &self.site)?,
            tags: self
                .tags
                .as_ref()
                .map(|tags| checked("tags", tags))
                .transpose()?,
            add_tags: checked("addTags", &self.add_tags)?,
            remove_tags: checked("removeTags", &self.remove_tags)?,
        })
    }
}

fn checked(field: &'static str, tags: &[String]) -> Result<BTreeSet<LabelName>, Problem> {
    let tag = |text: &String| LabelName::parse(text).map_err(|why| Problem::invalid(field, why));
    tags.iter().map(tag).collect()
}

/// Gives a peer another name, or other labels.
#[utoipa::path(patch, path = "/peers/{id}", tag = "peers", operation_id = "changePeer",
    security(("token" = [Scope::Operate])),
    request_body = ChangeBody,
    responses((status = 200, body = PeerView), (status = 409, body = Problem)))]
async fn change(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    JsonBody(body): JsonBody<ChangeBody>,
) -> Result<Json<PeerView>, Problem> {
    let name = optional::<Name>("name", body.name.as_deref())?;
    let labels = body.labels()?;
    if name.is_none() && labels.is_empty() {
        return Err(Problem::invalid("name", "nothing is to be changed"));
    }
    Ok(Json(api.farm.change_peer(id, name, &labels)?))
}

/// Groups, sites and tags, with what their rigs come to.
#[utoipa::path(get, path = "/groups", tag = "peers", operation_id = "listGroups",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = GroupsView)))]
async fn groups(State(api): State<Api>) -> Json<GroupsView> {
    Json(api.farm.groups())
}

/// What `POST /bulk` takes: one of `select` and `ids`, and what to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BulkBody {
    /// A selector; `all` is every rig.
    select: Option<String>,
    /// Node IDs, unique prefixes of one, or names; at most 1,024.
    ids: Option<Vec<String>>,
    /// What to do.
    #[schema(value_type = Action)]
    action: Option<Value>,
    /// Only say what it would do to which rigs.
    #[serde(default)]
    dry_run: bool,
    /// How many rigs it has to be: 409 if it is another number.
    expect: Option<usize>,
    /// The last 6 characters of the new wallet, where the rigs would mine for another one than now.
    confirm_payout: Option<String>,
}

impl BulkBody {
    fn check(self) -> Result<Bulk, Problem> {
        let rigs = match (self.select.as_deref(), self.ids) {
            (None, Some(ids)) => Rigs::Named(ids),
            (select, None) => Rigs::Selected(required("select", select)?),
            (Some(_), Some(_)) => {
                return Err(Problem::invalid(
                    "ids",
                    "only one of select and ids says which rigs",
                ));
            }
        };
        let action = self.action.unwrap_or_default();
        let action = serde_json::from_value::<Action>(action);
        Ok(Bulk {
            rigs,
            action: action.map_err(|why| Problem::invalid("action", why))?,
            dry_run: self.dry_run,
            expect: self.expect,
        })
    }
}

/// Does something to many rigs, and says what came of it on each.
///
/// It answers when all rigs have, and after 35 s at the latest. Labels, wishes and orders need the scope
/// operate; removal and what concerns managers and keys need admin, and so does a start for another wallet
/// than the one that the rigs mine for now, with `confirmPayout`. A rig out of reach is told when it is
/// back: `pending`.
#[utoipa::path(post, path = "/bulk", tag = "peers", operation_id = "doToMany",
    security(("token" = [Scope::Operate])),
    request_body = BulkBody,
    responses((status = 200, body = BulkView), (status = 409, body = Problem)))]
async fn bulk(
    State(api): State<Api>,
    asker: Asker,
    JsonBody(body): JsonBody<BulkBody>,
) -> Result<Json<BulkView>, Problem> {
    let said = body.confirm_payout.clone();
    let bulk = body.check()?;
    // A dry run tells what would happen, to operators too.
    if let Action::Start { profile_id } = &bulk.action
        && !bulk.dry_run
    {
        let rigs = api.farm.meant_by(&bulk.rigs).await?;
        let change = api.farm.payout_of_start(&rigs, profile_id, None);
        confirm_payout(change.as_ref(), &asker, said.as_deref())?;
    }
    let by = asker.may(bulk.action.scope())?;
    Ok(Json(api.farm.bulk(&bulk, &by).await?))
}
