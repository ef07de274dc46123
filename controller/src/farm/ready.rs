//! Which parts of the controller are not well.

use serde::Serialize;
use utoipa::ToSchema;

use super::Farm;

/// Whether the controller can do its work, part by part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadyView {
    /// `ready`, or `not ready` if one part is failing.
    pub status: &'static str,
    /// The parts.
    pub components: Vec<PartView>,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartView {
    /// `registry`, `links`, `history` or `events`.
    pub name: &'static str,
    /// How it is.
    pub status: PartStatus,
    /// What is wrong with it.
    pub reason: Option<String>,
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PartStatus {
    /// It works.
    Ready,
    /// This process does without it.
    Off,
    /// It should work and does not.
    Failing,
}

impl PartView {
    fn ready(name: &'static str) -> Self {
        Self {
            name,
            status: PartStatus::Ready,
            reason: None,
        }
    }

    fn failing(name: &'static str, reason: impl Into<String>) -> Self {
        Self {
            status: PartStatus::Failing,
            reason: Some(reason.into()),
            ..Self::ready(name)
        }
    }

    fn off(name: &'static str) -> Self {
        Self {
            status: PartStatus::Off,
            ..Self::ready(name)
        }
    }
}

impl Farm {
    /// How the parts are. A controller that serves needs all of them; a single command does without some.
    pub fn ready(&self) -> ReadyView {
        let core = self.lock();
        // What a serving controller lacks has failed; what a command lacks was never begun.
        let absent = |name, reason: &str| {
            if core.serving {
                PartView::failing(name, reason)
            } else {
                PartView::off(name)
            }
        };
        let registry = match core.running {
            Some(_) => PartView::ready("registry"),
            None => PartView::failing("registry", "the controller is closing"),
        };
        let links = match core.listen {
            Some(_) => PartView::ready("links"),
            None => absent("links", "no rig can dial in"),
        };
        let history = match core.history.as_ref().map(|history| history.writing()) {
            None => absent("history", "its file could not be opened"),
            Some(writing) => match writing.error {
                Some(error) => PartView::failing("history", error),
                None if !writing.running => PartView::failing("history", "its thread has ended"),
                None => PartView::ready("history"),
            },
        };
        let events = match &core.journal {
            None => absent("events", "their folder could not be opened"),
            Some(journal) if journal.is_well() => PartView::ready("events"),
            Some(_) => PartView::failing("events", "they are not written"),
        };
        let components = vec![registry, links, history, events];
        let failing = components
            .iter()
            .any(|part| part.status == PartStatus::Failing);
        ReadyView {
            status: if failing { "not ready" } else { "ready" },
            components,
        }
    }
}
