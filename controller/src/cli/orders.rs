//! `remote restart`, `reboot`, `poweroff`, `locate`, `log-level`, `wake`, `orders`: what rigs do once.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Failure, terminal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, segment};
use super::many::Whom;
use super::show::{self, say_clean};
use super::table::{Column, Table};

/// End a rig's miner with its memory, and start it anew; the agent and its links go on.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "restart")]
pub(super) struct Restart {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// seconds that the order waits for a rig out of reach, up to a week; default: 600
    #[argh(option)]
    within: Option<u64>,
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

/// Start a rig's machine anew; refused where the machine is not the rig's own.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "reboot")]
pub(super) struct Reboot {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// seconds that the order waits for a rig out of reach, up to a week; default: 600
    #[argh(option)]
    within: Option<u64>,
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

/// Switch a rig's machine off; refused where the machine is not the rig's own.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "poweroff")]
pub(super) struct PowerOff {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// seconds that the order waits for a rig out of reach, up to a week; default: 600
    #[argh(option)]
    within: Option<u64>,
    /// all rigs that this takes, such as "group=shed state=online", instead of one
    #[argh(option)]
    select: Option<String>,
    /// with --select: show what it would do to which rigs, and do nothing
    #[argh(switch)]
    dry_run: bool,
    /// do not ask
    #[argh(switch)]
    yes: bool,
    /// with --select: do not ask if it is this number of rigs, and do nothing if it is another
    #[argh(option)]
    expect: Option<usize>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Have a machine show which one it is: a line and a beep on its console, its keyboard's lights.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "locate")]
pub(super) struct Locate {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// for how long, 1 to 600; default: 60
    #[argh(option)]
    seconds: Option<u16>,
    /// seconds that the order waits for a rig out of reach, up to a week; default: 600
    #[argh(option)]
    within: Option<u64>,
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

/// Have a rig log more, until its agent starts anew.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "log-level")]
pub(super) struct LogLevel {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// info, debug or trace
    #[argh(positional)]
    level: String,
    /// seconds that the order waits for a rig out of reach, up to a week; default: 600
    #[argh(option)]
    within: Option<u64>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Wake a rig that is off, by its network card, if it is on a local network of the controller.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "wake")]
pub(super) struct Wake {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
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

/// Show what was ordered, of one rig or of all, and what became of it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "orders")]
pub(super) struct Orders {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// What is read of [`crate::farm::RigOrderView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Order {
    id: String,
    node_name: String,
    order: String,
    detail: Option<String>,
    by: String,
    created_at: String,
    deadline_at: String,
    status: String,
    reason: Option<String>,
}

impl Restart {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                one_rigs("--within", self.within.is_some())?;
                let action = json!({ "type": "restart" });
                return many.run(client, "restart", &action, self.json).await;
            }
        };
        give(client, &peer, "restart", within(self.within), self.json).await
    }
}

impl Reboot {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                one_rigs("--within", self.within.is_some())?;
                let action = json!({ "type": "reboot" });
                return many.run(client, "reboot", &action, self.json).await;
            }
        };
        give(client, &peer, "reboot", within(self.within), self.json).await
    }
}

impl PowerOff {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        // Of one rig it is asked too.
        let yes = self.yes && self.select.is_some();
        let whom = Whom::of(self.peer, self.select, self.dry_run, yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                one_rigs("--within", self.within.is_some())?;
                let action = json!({ "type": "powerOff" });
                return many.run(client, "poweroff", &action, self.json).await;
            }
        };
        if !self.yes {
            let question = format!(
                "{peer} comes back only if somebody switches it on, or `remote wake` does. Switch it off?"
            );
            terminal::confirm(&question, "it stays on", || {
                format!("{peer} would be switched off; repeat with --yes")
            })?;
        }
        give(client, &peer, "poweroff", within(self.within), self.json).await
    }
}

impl Locate {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                one_rigs("--within", self.within.is_some())?;
                let action = show::body([
                    ("type", Some(json!("locate"))),
                    ("seconds", self.seconds.map(Value::from)),
                ]);
                return many.run(client, "locate", &action, self.json).await;
            }
        };
        let body = show::body([
            ("seconds", self.seconds.map(Value::from)),
            ("withinSecs", self.within.map(Value::from)),
        ]);
        give(client, &peer, "locate", body, self.json).await
    }
}

impl LogLevel {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let body = show::body([
            ("level", Some(Value::from(self.level))),
            ("withinSecs", self.within.map(Value::from)),
        ]);
        give(client, &self.peer, "log-level", body, self.json).await
    }
}

/// An option that goes with one rig alone.
fn one_rigs(option: &str, given: bool) -> Result<(), Failure> {
    if given {
        return Err(Failure::usage(format!("{option} goes with one rig")));
    }
    Ok(())
}

fn within(secs: Option<u64>) -> Value {
    show::body([("withinSecs", secs.map(Value::from))])
}

pub(super) async fn post(
    client: &Client,
    peer: &str,
    verb: &str,
    body: &Value,
) -> Result<Value, Failure> {
    client.reach(Some(peer)).await;
    let path = format!("/remote/{}/{verb}", segment(peer));
    Ok(client.send(Method::POST, &path, Some(body)).await?)
}

async fn give(
    client: &Client,
    peer: &str,
    verb: &str,
    body: Value,
    json: bool,
) -> Result<(), Failure> {
    let answer = post(client, peer, verb, &body).await?;
    if let Some(order) = show::for_a_person::<Order>(answer, json)? {
        say_clean(&given(peer, &order));
    }
    Ok(())
}

fn given(peer: &str, order: &Order) -> String {
    let what = words(order);
    match order.status.as_str() {
        "done" => format!("{peer}: {what} is done"),
        "alreadyThere" => format!("{peer}: nothing to do, it mines nothing"),
        "waiting" => format!(
            "{peer} cannot be reached now; {what} is sent when it can, until {} (order {})",
            order.deadline_at, order.id
        ),
        "sent" => format!(
            "{peer}: {what} is sent, the receipt is not here yet (order {})",
            order.id
        ),
        "unknown" => format!("{peer}: {what} was sent, and nobody knows whether it was done"),
        other => format!("{peer}: {what} {other}"),
    }
}

fn words(order: &Order) -> String {
    match &order.detail {
        Some(detail) => format!("{} {detail}", order.order),
        None => order.order.clone(),
    }
}

impl Wake {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Called {
            macs: Vec<String>,
            networks: Vec<String>,
        }
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "wake" });
                return many.run(client, "wake", &action, self.json).await;
            }
        };
        let path = format!("/remote/{}/wake", segment(&peer));
        let answer = client.send(Method::POST, &path, Some(&json!({}))).await?;
        if let Some(Called { macs, networks }) = show::for_a_person(answer, self.json)? {
            say_clean(&format!(
                "sent to {} from {}; {} answers by linking up",
                macs.join(", "),
                networks.join(", "),
                peer
            ));
        }
        Ok(())
    }
}

impl Orders {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = match &self.peer {
            Some(peer) => format!("/orders?peer={}", segment(peer)),
            None => "/orders".to_owned(),
        };
        let answer = client.get(&path).await?;
        show::list(answer, self.json, "nothing was ordered", orders_table)
    }
}

fn orders_table(orders: &[Order]) -> Table<6> {
    let mut table = Table::new([
        Column::text("Given", 0),
        Column::text("Peer", 0),
        Column::text("Order", 0),
        Column::text("Status", 0),
        Column::text("By", 1),
        Column::text("ID", 2),
    ]);
    for order in orders {
        let status = match &order.reason {
            Some(reason) => format!("{}: {reason}", order.status),
            None => order.status.clone(),
        };
        table.row([
            order.created_at.clone(),
            order.node_name.clone(),
            words(order),
            status,
            order.by.clone(),
            order.id.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::table::Output;
    use super::*;

    fn order(status: &str) -> Order {
        Order {
            id: "0a".to_owned(),
            node_name: "rig-alpha".to_owned(),
            order: "locate".to_owned(),
            detail: Some("60".to_owned()),
            by: "local".to_owned(),
            created_at: "2026-01-31T23:59:59.000Z".to_owned(),
            deadline_at: "2026-02-01T00:09:59.000Z".to_owned(),
            status: status.to_owned(),
            reason: None,
        }
    }

    #[test]
    fn an_order_that_waits_or_is_unknown_is_not_called_done() {
        let said = |status| given("rig-alpha", &order(status));
        assert_eq!(said("done"), "rig-alpha: locate 60 is done");
        assert!(said("waiting").contains("until 2026-02-01"));
        assert!(said("sent").contains("not here yet"));
        assert!(said("unknown").contains("nobody knows"));
        assert_eq!(said("expired"), "rig-alpha: locate 60 expired");
    }

    #[test]
    fn orders_are_a_table() {
        let refused = Order {
            reason: Some("the machine is not its own".to_owned()),
            ..order("refused")
        };
        assert_eq!(
            orders_table(&[refused]).render(Output::PIPE),
            "\
GIVEN                     PEER       ORDER      STATUS                               BY     ID
2026-01-31T23:59:59.000Z  rig-alpha  locate 60  refused: the machine is not its own  local  0a
"
        );
    }
}
