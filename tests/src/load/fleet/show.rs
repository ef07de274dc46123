//! A farm to look at: a controller with simulated rigs, in every kind of trouble, that stays.

use core::time::Duration;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::super::controller::{Controller, any_port};
use super::crowd::{self, Crowd, name};
use super::{Processors, mixed, orders, registry};
use crate::clock::eventually;
use crate::home::Home;
use crate::http;

/// All that are switched on are online within this.
const PATIENCE: Duration = Duration::from_secs(180);

/// A farm that runs until it is dropped.
#[derive(Debug)]
pub struct Show {
    controller: Controller,
    _crowd: Crowd,
    _home: Home,
}

impl Show {
    /// Switches so many rigs on and has them mine; in every kind of trouble if `mixed`.
    ///
    /// # Errors
    /// The programs cannot be built or started, or the farm does not come online.
    pub fn start(rigs: u32, is_mixed: bool) -> Result<Self, String> {
        let home = Home::new("controller").map_err(|error| error.to_string())?;
        Controller::init(&home)?;
        let known: Vec<_> = (0..rigs).map(crowd::source).collect();
        registry::write(&home, rigs, &known)?;
        let processors = Processors::of(false);
        let controller = Controller::start(&home, any_port(), any_port())?;
        let (to, key) = (controller.smsg, controller.key);
        let crowd = Crowd::start(rigs, rigs, to, key, processors, is_mixed);
        let on = (0..rigs).filter(|n| !(is_mixed && mixed::is_off(*n)));
        let on = u64::try_from(on.count()).unwrap_or(u64::MAX);
        eventually("all rigs online", PATIENCE, || {
            (crowd.tally.online() >= on).then_some(())
        })?;
        let show = Self {
            controller,
            _crowd: crowd,
            _home: home,
        };
        if rigs > 0 {
            orders::profile(&show.controller.http)?;
            show.bulk(&json!({"select": "all", "action": {"type": "start", "profileId": "rx"}}))?;
            show.label(rigs)?;
        }
        Ok(show)
    }

    /// Three sheds at two sites; every seventh rig has a tag.
    fn label(&self, rigs: u32) -> Result<(), String> {
        for shed in 0..3_u32 {
            // As many as one request may name.
            let ids: Vec<_> = (shed..rigs).step_by(3).map(name).collect();
            let action = json!({"type": "label", "group": format!("shed-{}", shed + 1), "site": if shed < 2 { "north" } else { "south" }});
            self.label_all(&ids, &action)?;
        }
        let tagged: Vec<_> = (0..rigs).step_by(7).map(name).collect();
        self.label_all(&tagged, &json!({"type": "label", "addTags": ["old"]}))
    }

    fn label_all(&self, ids: &[String], action: &Value) -> Result<(), String> {
        for some in ids.chunks(1_000) {
            self.bulk(&json!({"ids": some, "action": action}))?;
        }
        Ok(())
    }

    fn bulk(&self, body: &Value) -> Result<(), String> {
        let answer = http::ask(
            &self.controller.http,
            "POST",
            "/api/v1/mining/bulk",
            &body.to_string(),
        )?;
        match answer.status {
            200 => Ok(()),
            status => Err(format!("bulk: {status} {}", answer.body)),
        }
    }

    /// Where the page is.
    #[must_use]
    pub fn page(&self) -> SocketAddr {
        self.controller.http.at
    }

    /// The controller's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.controller.id()
    }

    /// An API token that may do everything.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.controller.http.token
    }

    /// An address at which a browser may log in, once.
    ///
    /// # Errors
    /// The controller does not give one.
    pub fn login(&self) -> Result<String, String> {
        let answer = http::ask(&self.controller.http, "POST", "/api/v1/mining/logins", "{}")?;
        let made: Value = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
        let url = made.get("url").and_then(Value::as_str);
        url.map(str::to_owned)
            .ok_or_else(|| format!("no login: {} {}", answer.status, answer.body))
    }
}
