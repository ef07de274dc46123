//! What an owner writes on rigs: one group, one site, some tags. And what rigs tell of their machines,
//! kept so that a rig can be chosen by it while it is off.
//!
//! ```text
//!   token's group ── enrolment ─▶ LabelsRecord ◀── PATCH /peers/{id}, bulk
//!   Query::GetInfo, once a link ─▶ MachineRecord
//! ```
//! Both belong to a peer: they move to its next key, and go when it is removed.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use miner_shared::identity::Fingerprint;
use miner_shared::text::{Label, Name, TextError};
use miner_shared::wire::{Interface, NodeInfo};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::record::Row;
use super::rules::{Note, Registry, RegistryError};
use super::store::{Change, Contents, Durable};

/// Tags that one rig may have. With group and site a row is at most 18 × 65 bytes, a third of the
/// longest.
pub const MAX_TAGS: usize = 16;

/// A group, a site or a tag: 1 to 64 letters, digits, `-`, `_` and `.`, starting and ending with a
/// letter or digit. A [`Name`] without blanks, so that a selector needs no quotes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Name", into = "Name")]
pub struct LabelName(Name);

impl LabelName {
    /// The text, if it keeps the rule.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        Name::parse(text)?.try_into()
    }

    /// The label that a name leads to: blanks become `-`. Older tokens have groups with blanks.
    pub fn of(name: &Name) -> Self {
        let joined = name.as_str().replace(' ', "-");
        Self(Name::parse(&joined).unwrap_or_else(|_| name.clone()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<Name> for LabelName {
    type Error = TextError;

    fn try_from(name: Name) -> Result<Self, TextError> {
        if name.as_str().contains(' ') {
            return Err(TextError::Forbidden(' '));
        }
        Ok(Self(name))
    }
}

impl From<LabelName> for Name {
    fn from(label: LabelName) -> Self {
        label.0
    }
}

impl FromStr for LabelName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::parse(text)
    }
}

impl fmt::Display for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What an owner wrote on a rig. Its fingerprint is the key of the row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelsRecord {
    /// The group that it is in.
    pub group: Option<LabelName>,
    /// Where it stands.
    pub site: Option<LabelName>,
    /// Anything else, at most [`MAX_TAGS`].
    pub tags: BTreeSet<LabelName>,
}

/// A change of labels. What is absent stays as it is; `null` takes a group or site away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Relabel {
    /// The group from now on.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub group: Option<Option<LabelName>>,
    /// The site from now on.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub site: Option<Option<LabelName>>,
    /// All tags from now on, at most 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub tags: Option<BTreeSet<LabelName>>,
    /// Tags to add, after that.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub add_tags: BTreeSet<LabelName>,
    /// Tags to take away, at the end.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub remove_tags: BTreeSet<LabelName>,
}

/// Tells a field that is `null` from one that is not there.
fn given<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Option<LabelName>>, D::Error> {
    Option::deserialize(field).map(Some)
}

impl Relabel {
    /// Whether it changes nothing of any rig.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The labels after the change of these.
    pub fn of(&self, before: &LabelsRecord) -> Result<LabelsRecord, RegistryError> {
        let mut after = before.clone();
        if let Some(group) = &self.group {
            after.group.clone_from(group);
        }
        if let Some(site) = &self.site {
            after.site.clone_from(site);
        }
        if let Some(tags) = &self.tags {
            after.tags.clone_from(tags);
        }
        after.tags.extend(self.add_tags.iter().cloned());
        after.tags.retain(|tag| !self.remove_tags.contains(tag));
        if after.tags.len() > MAX_TAGS {
            return Err(RegistryError::TooManyTags);
        }
        Ok(after)
    }
}

/// What a rig said of its machine when it was last asked. Its fingerprint is the key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRecord {
    /// Model name of the processor; empty if the system does not say.
    pub cpu_model: Label,
    /// Logical processors.
    pub cpus: u16,
    /// Memory, in MiB, if the system says.
    pub memory_mib: Option<u32>,
    /// Network interfaces that were up, by which it is woken; none if its agent does not say.
    pub interfaces: Vec<Interface>,
}

impl From<&NodeInfo> for MachineRecord {
    fn from(info: &NodeInfo) -> Self {
        Self {
            cpu_model: info.cpu_model.clone(),
            cpus: info.cpus,
            memory_mib: info.memory_mib,
            interfaces: Vec::new(),
        }
    }
}

impl Row for LabelsRecord {}
impl Row for MachineRecord {}

impl Contents {
    /// Gives peers that were never labelled the group of the token that they came by: before there
    /// were labels, nothing else said it.
    pub(super) fn label_by_origin(&mut self) {
        for (key, origin) in &self.origins {
            if let Some(group) = &origin.group {
                self.labels.entry(*key).or_insert_with(|| of_group(group));
            }
        }
    }
}

/// The labels of a rig that came by a token with this group.
pub(super) fn of_group(group: &Name) -> LabelsRecord {
    LabelsRecord {
        group: Some(LabelName::of(group)),
        ..LabelsRecord::default()
    }
}

/// Of a peer that was never labelled.
static NO_LABELS: LabelsRecord = LabelsRecord {
    group: None,
    site: None,
    tags: BTreeSet::new(),
};

impl Registry {
    /// What is written on this peer.
    pub fn labels(&self, key: &Fingerprint) -> &LabelsRecord {
        self.rows.labels.get(key).unwrap_or(&NO_LABELS)
    }

    /// Writes on all of these peers in one step, and returns those that it changed. A peer whose
    /// labels are taken away keeps an empty row: the group of its token stays taken away.
    pub fn relabel(
        &mut self,
        keys: &[Fingerprint],
        change: &Relabel,
    ) -> Result<Vec<Fingerprint>, RegistryError> {
        let (mut batch, mut changed) = (Vec::new(), Vec::new());
        for key in keys {
            if self.peer(key).is_none() {
                return Err(RegistryError::NoSuchPeer);
            }
            let before = self.labels(key);
            let after = change.of(before)?;
            if after != *before {
                batch.push(Change::PutLabels(*key, after));
                changed.push(*key);
            }
        }
        if !batch.is_empty() {
            self.commit(batch, Durable::Now)?;
        }
        Ok(changed)
    }

    /// What this peer said of its machine, if it ever did.
    pub fn machine(&self, key: &Fingerprint) -> Option<&MachineRecord> {
        self.rows.machines.get(key)
    }

    /// Notes what a peer says of its machine. A note that is lost in a power cut is made again: the
    /// rig is asked on its next link.
    pub fn note_machine(&mut self, key: &Fingerprint, mut row: MachineRecord) {
        // It tells of its interfaces in another answer.
        row.interfaces = self
            .machine(key)
            .map_or_else(Vec::new, |known| known.interfaces.clone());
        self.put_machine(key, row);
    }

    /// Notes by which interfaces a peer is woken, likewise; after [`Self::note_machine`].
    pub fn note_interfaces(&mut self, key: &Fingerprint, interfaces: &[Interface]) {
        if let Some(mut row) = self.machine(key).cloned() {
            row.interfaces = interfaces.to_vec();
            self.put_machine(key, row);
        }
    }

    fn put_machine(&mut self, key: &Fingerprint, row: MachineRecord) {
        if self.peer(key).is_some() && self.machine(key) != Some(&row) {
            self.noted(*key, Note::Machine, &Change::PutMachine(*key, row));
        }
    }

    /// The changes that take away what is kept of a peer here.
    pub(super) fn unlabelled(key: &Fingerprint) -> [Change; 2] {
        [Change::DeleteLabels(*key), Change::DeleteMachine(*key)]
    }

    /// The changes that move what is kept of a peer here to its next key.
    pub(super) fn labels_moved(&self, old: &Fingerprint, new: Fingerprint) -> Vec<Change> {
        let mut batch = Vec::new();
        if let Some(row) = self.rows.labels.get(old) {
            batch.push(Change::DeleteLabels(*old));
            batch.push(Change::PutLabels(new, row.clone()));
        }
        if let Some(row) = self.machine(old) {
            batch.push(Change::DeleteMachine(*old));
            batch.push(Change::PutMachine(new, row.clone()));
        }
        batch
    }
}
