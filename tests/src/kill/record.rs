//! Which rigs and tokens must be there, which must not, and which may.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use miner_shared::identity::Fingerprint;
use serde_json::Value;

use super::{read, said, work};
use crate::http::Api;
use crate::load::Figures;
use crate::load::connect::node;
use crate::load::rig::Rig;

/// What is known of a rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is registered, and somebody was told so.
    In,
    /// It is not, and somebody was told so, or it was seen to be so.
    Out,
    /// It was asked for and not answered.
    Either,
}

/// Rigs and tokens.
#[derive(Debug, Default)]
pub(super) struct Record {
    fates: BTreeMap<u64, (String, Fate)>,
    /// Of these, removed with an answer.
    removed: BTreeSet<u64>,
    /// The token of the last life, its uses, and how many were welcomed by it.
    token: Option<(String, u32, u32)>,
    revoked: BTreeSet<String>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    added: u32,
    enrolled: u32,
    removed: u32,
    unanswered: u32,
    became_so: u32,
}

impl Record {
    /// A rig was to be added.
    pub(super) fn add(&mut self, number: u64, acknowledged: bool) {
        self.counts.added += u32::from(acknowledged);
        self.set(number, if acknowledged { Fate::In } else { Fate::Either });
    }

    /// A rig was to be removed.
    pub(super) fn remove(&mut self, number: u64, acknowledged: bool) {
        self.counts.removed += u32::from(acknowledged);
        if acknowledged {
            self.removed.insert(number);
        }
        self.set(
            number,
            if acknowledged {
                Fate::Out
            } else {
                Fate::Either
            },
        );
    }

    fn set(&mut self, number: u64, fate: Fate) {
        self.counts.unanswered += u32::from(fate == Fate::Either);
        self.fates.insert(number, (work::id(number), fate));
    }

    /// A token was made.
    pub(super) fn token(&mut self, id: &str, uses: u32) {
        self.token = Some((id.to_owned(), uses, 0));
    }

    /// So many rigs were welcomed by it.
    pub(super) fn enrolled(&mut self, rigs: u32) {
        self.counts.enrolled += rigs;
        if let Some((_, _, welcomed)) = &mut self.token {
            *welcomed = rigs;
        }
    }

    /// Rigs that are registered.
    pub(super) fn present(&self) -> Vec<u64> {
        let present = self.fates.iter().filter(|(_, (_, fate))| *fate == Fate::In);
        present.map(|(number, _)| *number).collect()
    }

    /// Every rig and token that the controller has, against what was acknowledged. What was not is from
    /// now on as it is found.
    pub(super) fn compare(&mut self, api: &Api) -> Result<(), String> {
        let peers = read(api, "/peers")?;
        let mut there: BTreeMap<&str, &Value> = BTreeMap::new();
        for peer in peers.as_array().into_iter().flatten() {
            there.insert(peer["id"].as_str().unwrap_or_default(), peer);
        }
        self.compare_token(api, &there)?;
        for (number, (id, fate)) in &mut self.fates {
            let is_there = there.remove(id.as_str()).is_some();
            match (*fate, is_there) {
                (Fate::In, false) => {
                    return Err(format!("rig-{number} was acknowledged and is gone"));
                }
                (Fate::Out, true) => return Err(format!("rig-{number} was removed and is back")),
                (Fate::Either, _) => {
                    self.counts.became_so += u32::from(is_there);
                    *fate = if is_there { Fate::In } else { Fate::Out };
                }
                _ => {}
            }
        }
        if let Some(peer) = there.values().next() {
            return Err(format!("nobody asked for {peer}"));
        }
        let removed = read(api, "/removed")?;
        let removed = removed.as_array().into_iter().flatten();
        let removed: BTreeSet<_> = removed.filter_map(|row| row["id"].as_str()).collect();
        let forgotten = self.removed.iter().find(|number| {
            let fate = self.fates.get(number);
            fate.is_some_and(|(id, _)| !removed.contains(id.as_str()))
        });
        match forgotten {
            Some(number) => Err(format!(
                "rig-{number} was removed, and its key is not refused"
            )),
            None => Ok(()),
        }
    }

    /// The token of the last life has as many uses less as rigs came by it, and ends now.
    fn compare_token(&mut self, api: &Api, there: &BTreeMap<&str, &Value>) -> Result<(), String> {
        let tokens = read(api, "/tokens")?;
        let tokens = || tokens.as_array().into_iter().flatten();
        let of = |id: &str| tokens().find(|token| token["id"] == id);
        let good = |id: &&String| of(id).is_none_or(|token| token["state"] != "suspended");
        if let Some(id) = self.revoked.iter().find(good) {
            return Err(format!("a token that was revoked is now {:?}", of(id)));
        }
        let Some((id, uses, welcomed)) = self.token.take() else {
            return Ok(());
        };
        let row = of(&id).ok_or_else(|| format!("the token {id} was acknowledged and is gone"))?;
        let left = row["left"]
            .as_u64()
            .and_then(|left| u32::try_from(left).ok());
        let used = uses.checked_sub(left.ok_or("a token without uses")?);
        let came = there.values().filter(|peer| peer["token"] == id.as_str());
        let came = u32::try_from(came.count()).unwrap_or(u32::MAX);
        if used != Some(came) || came < welcomed || came > uses {
            return Err(format!(
                "{welcomed} rigs were welcomed by a token of {uses} uses, {came} are there, and it says {row}"
            ));
        }
        said(api, "DELETE", &format!("/tokens/{id}"), &Value::Null)?;
        self.revoked.insert(id);
        Ok(())
    }

    /// The last rig that is registered gets a link, the last that was removed does not.
    pub(super) fn dial(&self, to: SocketAddr, controller: Fingerprint) -> Result<(), String> {
        let dials = |number: u64| {
            let mut rig = Rig::new(node(number, &work::name(number)));
            rig.dial(to, controller).is_ok()
        };
        if let Some(number) = self.removed.last().copied().filter(|number| dials(*number)) {
            return Err(format!("rig-{number} was removed and gets a link"));
        }
        match self.present().last().copied() {
            Some(number) if number >= super::LINKED && !dials(number) => {
                Err(format!("rig-{number} is registered and gets no link"))
            }
            _ => Ok(()),
        }
    }

    /// What was done in all lives.
    pub(super) fn figures(&self, figures: &mut Figures) {
        let counts = &self.counts;
        figures.add("rigs added, acknowledged", counts.added.into(), "");
        figures.add("of these enrolled by a token", counts.enrolled.into(), "");
        figures.add("rigs removed, acknowledged", counts.removed.into(), "");
        figures.add("asked for, unanswered", counts.unanswered.into(), "");
        figures.add(
            "of these there after the start",
            counts.became_so.into(),
            "",
        );
    }
}
