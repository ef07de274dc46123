//! `peer discover`: who announces itself on the local network, and the command that adds it.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Failure, say};
use miner_shared::identity::Role;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::show::{self, say_clean};
use super::table::{Column, Table};
use crate::farm::DISCOVER_SECS;

/// List the nodes that announce themselves on the local network. Adds none of them.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "discover")]
pub(super) struct Discover {
    /// how long to listen, 1 to 30; default: 3
    #[argh(option, default = "DISCOVER_SECS.0")]
    seconds: u64,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::DiscoveryView`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Discovery {
    found: Vec<Found>,
    lost: u64,
}

/// See [`crate::farm::FoundView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Found {
    name: String,
    role: String,
    address: String,
    id: String,
    fingerprint: String,
    registry: String,
}

impl Discover {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let body = json!({ "seconds": self.seconds });
        let answer = client.send(Method::POST, "/discover", Some(&body)).await?;
        let Some(Discovery { found, lost }) = show::for_a_person(answer, self.json)? else {
            return Ok(());
        };
        show::rows_or(
            &found,
            "nobody answered; rigs announce themselves with `miner node serve --listen :9091`, and UDP port 5353 must be open on both sides",
            table,
        );
        if lost > 0 {
            say(format_args!("{lost} more answered than are listed"));
        }
        let commands: Vec<_> = found.iter().filter_map(Found::command).collect();
        if !commands.is_empty() {
            say(
                "\nNone of this is proven. Where the rig's own console shows the same fingerprint (`miner node info`):",
            );
            commands.iter().for_each(|line| say_clean(line));
        }
        Ok(())
    }
}

fn table(found: &[Found]) -> Table<6> {
    let mut table = Table::new([
        Column::text("Name", 0),
        Column::text("Registry", 0),
        Column::text("Role", 4),
        Column::text("Address", 0),
        Column::text("ID", 3),
        Column::text("Fingerprint", 2),
    ]);
    for node in found {
        table.row([
            node.name.clone(),
            node.registry.clone(),
            node.role.clone(),
            node.address.clone(),
            node.id.clone(),
            node.fingerprint.clone(),
        ]);
    }
    table
}

impl Found {
    /// What adds it, if it is a rig that could be added.
    fn command(&self) -> Option<String> {
        let role: Role = self.role.parse().ok()?;
        let addable = role.contains(Role::Worker) && self.registry == "new";
        addable.then(|| {
            format!(
                "miner-ctrl peer add --address {} --name \"{}\" --fingerprint {}",
                self.address, self.name, self.fingerprint
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Output;
    use super::*;

    fn found(name: &str, role: &str, registry: &str) -> Found {
        Found {
            name: name.to_owned(),
            role: role.to_owned(),
            registry: registry.to_owned(),
            address: "192.168.1.100:9091".to_owned(),
            id: "0101010101010101".to_owned(),
            fingerprint: "040G-2081".to_owned(),
        }
    }

    #[test]
    fn the_command_that_adds_a_rig_can_be_copied() {
        assert_eq!(
            found("rig alpha", "worker", "new").command().as_deref(),
            Some(
                "miner-ctrl peer add --address 192.168.1.100:9091 --name \"rig alpha\" --fingerprint 040G-2081"
            )
        );
        assert!(found("a", "dual", "new").command().is_some());
        for (role, registry) in [
            ("controller", "new"),
            ("worker", "known"),
            ("worker", "removed"),
            ("worker", "waiting"),
            ("", "new"),
        ] {
            assert_eq!(found("a", role, registry).command(), None);
        }
    }

    #[test]
    fn a_narrow_terminal_keeps_name_registry_and_address() {
        let found = [
            found("rig-alpha", "worker", "new"),
            found("b", "dual", "known"),
        ];
        let render = |width| {
            table(&found).render(Output {
                width,
                colour: false,
            })
        };
        assert_eq!(
            render(None),
            "\
NAME       REGISTRY  ROLE    ADDRESS             ID                FINGERPRINT
rig-alpha  new       worker  192.168.1.100:9091  0101010101010101  040G-2081
b          known     dual    192.168.1.100:9091  0101010101010101  040G-2081
"
        );
        let head = "NAME    REGIS…  ADDRE…";
        assert_eq!(render(Some(22)).lines().next(), Some(head));
    }
}
