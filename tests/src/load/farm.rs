//! A real controller under load: its process, its rigs, and what the kernel says of it.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use miner_shared::identity::Fingerprint;
use serde_json::json;

use super::connect;
use super::connect::node;
use super::controller::{Controller, START, any_port};
use super::gauge::Gauge;
use super::rig::{Rig, Running, Site};
use crate::clock::{Deadline, eventually};
use crate::home::Home;
use crate::http::{self, Api};

/// A controller in a process of its own, with registered rigs.
#[derive(Debug)]
pub struct Farm {
    pub(super) gauge: Gauge,
    _controller: Controller,
    _home: Home,
    pub(super) http: Api,
    pub(super) smsg: SocketAddr,
    pub(super) controller: Fingerprint,
    pub(super) rigs: Vec<Running>,
}

impl Farm {
    /// Starts a controller on free ports, registers so many rigs, and waits until all have a link.
    ///
    /// # Errors
    /// The programs cannot be built or started, or a rig does not link up.
    pub fn start(rigs: u8) -> Result<Self, String> {
        let home = Home::new("controller").map_err(|error| error.to_string())?;
        Controller::init(&home)?;
        let controller = Controller::start(&home, any_port(), any_port())?;
        let mut farm = Self {
            gauge: controller.gauge,
            http: controller.http.clone(),
            smsg: controller.smsg,
            controller: controller.key,
            _controller: controller,
            _home: home,
            rigs: Vec::new(),
        };
        for n in 0..rigs {
            let node = farm.register(n.into())?;
            let running = Running::start(node, Site::at(farm.smsg), farm.controller);
            farm.rigs.push(running);
        }
        let linked = |rig: &Running| rig.deeds.links.load(Ordering::Relaxed) > 0;
        eventually("a link of every rig", START, || {
            farm.rigs.iter().all(linked).then_some(())
        })?;
        Ok(farm)
    }

    /// Registers the rig of this number, which may dial from then on.
    pub(super) fn register(&self, number: u64) -> Result<miner_shared::smsg::LocalNode, String> {
        let name = format!("rig-{number}");
        let node = node(number, &name);
        let fingerprint = node.fingerprint().to_string();
        let body = json!({"name": name, "fingerprint": fingerprint}).to_string();
        let answer = http::ask(&self.http, "POST", "/api/v1/mining/peers", &body)?;
        if answer.status != 201 {
            return Err(format!("{name} not registered: {}", answer.body));
        }
        Ok(node)
    }

    /// How long a registered rig takes from nothing to Welcome; `None` if it is turned away.
    pub(super) fn connects(&self, rig: &mut Rig) -> Option<Duration> {
        let watch = Deadline::after(Duration::MAX);
        rig.dial(self.smsg, self.controller).ok()?;
        Some(watch.elapsed())
    }

    /// Names of the rigs that serve.
    pub(super) fn names(&self) -> Vec<String> {
        self.rigs.iter().map(|rig| rig.name.clone()).collect()
    }

    /// Wishes that became so on all rigs, and links that they needed.
    pub(super) fn deeds(&self) -> (u64, u64) {
        let sum = |of: fn(&Running) -> u64| self.rigs.iter().map(of).sum();
        (
            sum(|rig| rig.deeds.effects.load(Ordering::Relaxed)),
            sum(|rig| rig.deeds.links.load(Ordering::Relaxed)),
        )
    }

    /// A first message for this controller.
    pub(super) fn first_message(&self) -> Vec<u8> {
        connect::first_message(self.controller)
    }
}
