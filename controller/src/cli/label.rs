//! `peer label`: what an owner writes on rigs.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::Failure;
use serde_json::{Value, json};

use super::client::{Client, segment};
use super::many::Whom;
use super::show;
use crate::registry::LabelName;

/// Write labels on a rig, or on many: a group, a site, tags.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "label")]
pub(super) struct LabelRig {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// the group from now on
    #[argh(option)]
    group: Option<LabelName>,
    /// no group from now on
    #[argh(switch)]
    no_group: bool,
    /// the site from now on
    #[argh(option)]
    site: Option<LabelName>,
    /// no site from now on
    #[argh(switch)]
    no_site: bool,
    /// +TAG to add it, -TAG to take it away; may be repeated
    #[argh(option)]
    tag: Vec<TagChange>,
    /// all rigs that this takes, such as "group=shed state=online", instead of one
    #[argh(option)]
    select: Option<String>,
    /// with --select: show what it would do to which rigs, and do nothing
    #[argh(switch)]
    dry_run: bool,
    /// with --select: do not ask
    #[argh(switch)]
    yes: bool,
    /// with --select: do not ask if it is this number of rigs, and do nothing if it is another
    #[argh(option)]
    expect: Option<usize>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// A tag to add or to take away: `+new`, `-old`; a bare one is added.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TagChange {
    Add(LabelName),
    Remove(LabelName),
}

impl std::str::FromStr for TagChange {
    type Err = miner_shared::text::TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix('-') {
            Some(tag) => LabelName::parse(tag).map(Self::Remove),
            None => LabelName::parse(text.strip_prefix('+').unwrap_or(text)).map(Self::Add),
        }
    }
}

impl LabelRig {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut change = self.change()?;
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        match whom {
            Whom::One(peer) => {
                let path = format!("/peers/{}", segment(&peer));
                let answer = client.send(Method::PATCH, &path, Some(&change)).await?;
                show::deed(answer, self.json, |id| format!("{id} has its labels"))
            }
            Whom::Many(many) => {
                if let Some(fields) = change.as_object_mut() {
                    fields.insert("type".to_owned(), json!("label"));
                }
                many.run(client, "label", &change, self.json).await
            }
        }
    }

    /// The change as the API takes it.
    fn change(&self) -> Result<Value, Failure> {
        let tags = |wanted: fn(&TagChange) -> Option<&LabelName>| {
            let tags: Vec<_> = self.tag.iter().filter_map(wanted).collect();
            (!tags.is_empty()).then(|| json!(tags))
        };
        let change = show::body([
            ("group", one("group", self.group.as_ref(), self.no_group)?),
            ("site", one("site", self.site.as_ref(), self.no_site)?),
            (
                "addTags",
                tags(|change| match change {
                    TagChange::Add(tag) => Some(tag),
                    TagChange::Remove(_) => None,
                }),
            ),
            (
                "removeTags",
                tags(|change| match change {
                    TagChange::Remove(tag) => Some(tag),
                    TagChange::Add(_) => None,
                }),
            ),
        ]);
        if change.as_object().is_none_or(serde_json::Map::is_empty) {
            let why = "say what to write: --group, --site, --tag, --no-group or --no-site";
            return Err(Failure::usage(why));
        }
        Ok(change)
    }
}

/// A label of which a rig has one at most.
fn one(what: &str, label: Option<&LabelName>, none: bool) -> Result<Option<Value>, Failure> {
    match (label, none) {
        (Some(_), true) => Err(Failure::usage(format!(
            "give one of --{what} and --no-{what}"
        ))),
        (Some(label), false) => Ok(Some(json!(label))),
        (None, true) => Ok(Some(Value::Null)),
        (None, false) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> LabelRig {
        LabelRig::from_args(&["label"], args).expect("understood")
    }

    #[test]
    fn labels_are_written_as_the_api_takes_them() {
        let args = [
            "rig",
            "--group",
            "shed",
            "--no-site",
            "--tag",
            "+a",
            "--tag",
            "-b",
            "--tag",
            "c",
        ];
        assert_eq!(
            parsed(&args).change().expect("a change"),
            json!({ "group": "shed", "site": null, "addTags": ["a", "c"], "removeTags": ["b"] })
        );
    }

    #[test]
    fn a_change_of_nothing_and_one_that_contradicts_itself_are_refused() {
        assert!(parsed(&["rig"]).change().is_err());
        let args = ["rig", "--group", "shed", "--no-group"];
        assert!(parsed(&args).change().is_err());
        assert!(LabelRig::from_args(&["label"], &["rig", "--tag", "two words"]).is_err());
    }
}
