//! Since which protocol version a message can be said.
//!
//! [`Link`](crate::smsg::Link) neither seals nor takes a message above the version that both ends agreed
//! on, so an older peer never gets bytes that it cannot decode. Who sends asks before: it says the same
//! in older words ([`State::for_version`], [`RigStats::for_version`],
//! [`Outcome::for_version`]), or refuses to say it.
//!
//! | version | brought |
//! |---|---|
//! | 1 | all that `tests/tests/wire_v01.rs` freezes |
//! | 2 | plans, pause, percent; restart, reboot, power off, locate, log level; logs by level, findings, interfaces; the hash of what was applied, found shares |
//! | 3 | what a machine was booted from, updates in pieces, what its owner lets it do |

use super::{Activity, Answer, Command, Message, Outcome, Query, Refusal, RigStats, State};

impl Message {
    /// First protocol version in which this can be said.
    pub fn since(&self) -> u8 {
        match self {
            Self::Hello(_)
            | Self::Welcome(..)
            | Self::Ping(_)
            | Self::Pong(_)
            | Self::Succession(_) => 1,
            Self::Heartbeat(stats) => stats.since(),
            Self::Query(_, query) => query.since(),
            Self::Answer(_, answer) => answer.since(),
            Self::Command(_, command) => command.since(),
            Self::Receipt(_, Outcome::Refused(refusal)) => refusal.since(),
            Self::Receipt(..) => 1,
            Self::Applied { .. } | Self::FoundShares(_) => 2,
            Self::Image(_) | Self::Wanted(_) | Self::Piece(_) => 3,
        }
    }
}

impl Query {
    /// First protocol version in which this can be asked.
    pub const fn since(&self) -> u8 {
        match self {
            Self::GetInfo | Self::GetStats | Self::GetLogs { .. } | Self::GetManagers => 1,
            Self::GetLogsFrom { .. } | Self::GetDoctor | Self::GetNetwork => 2,
            Self::GetOwner => 3,
        }
    }
}

impl Answer {
    fn since(&self) -> u8 {
        match self {
            Self::Info(_) | Self::Logs(_) | Self::Managers(_) => 1,
            Self::Stats(stats) => stats.since(),
            Self::Refused(refusal) => refusal.since(),
            Self::Doctor(_) | Self::Network(_) => 2,
            Self::Owner(_) => 3,
        }
    }
}

impl Command {
    /// First protocol version in which this can be ordered.
    pub fn since(&self) -> u8 {
        match self {
            Self::SetState(desired) => State::since(&desired.state),
            Self::PinRecovery { .. }
            | Self::Handover { .. }
            | Self::Revoke { .. }
            | Self::Rotate => 1,
            Self::Restart
            | Self::Reboot
            | Self::PowerOff
            | Self::Locate { .. }
            | Self::SetLogLevel(_) => 2,
            Self::Update(_) | Self::CancelUpdate(_) => 3,
        }
    }
}

impl Refusal {
    const fn since(&self) -> u8 {
        match self {
            Self::NotOurImage | Self::OwnerForbids => 2,
            Self::NoSlots => 3,
            _ => 1,
        }
    }
}

impl Outcome {
    /// The same in the words of this protocol version: a refusal for whose reason it has none is `not
    /// allowed`.
    #[must_use]
    pub fn for_version(self, version: u8) -> Self {
        match self {
            Self::Refused(refusal) if refusal.since() > version => {
                Self::Refused(Refusal::NotAllowed)
            }
            outcome => outcome,
        }
    }
}

impl RigStats {
    /// The same in the words of this protocol version: to version 1, who rests is stopped.
    #[must_use]
    pub fn for_version(mut self, version: u8) -> Self {
        if version < self.since() {
            self.activity = Activity::Stopped;
        }
        self
    }

    fn since(&self) -> u8 {
        match self.activity {
            Activity::Paused => 2,
            _ => 1,
        }
    }
}
