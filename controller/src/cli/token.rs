//! `token`: what rigs enrol by.

use std::io::{self, Write as _};

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Failure, qr, say};
use miner_shared::text::Name;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::answers;
use super::client::{Client, segment};
use super::life::Life;
use super::secrets::NewFile;
use super::show::{self, say_clean, say_json};
use super::table::{Column, Table};
use crate::registry::{LabelName, NamePattern, Network};
use crate::units::{self, UNKNOWN};

/// Tokens by which rigs that dial out enrol.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "token")]
pub(super) struct Token {
    #[argh(subcommand)]
    verb: TokenVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "one lives, for the length of a command"
)]
enum TokenVerb {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a token. It is printed once, or written to --out FILE, and never shown again.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "create")]
struct Create {
    /// how many rigs may enrol (--ephemeral: how many at a time); default: 1
    #[argh(option)]
    uses: Option<u32>,
    /// how long it is good: 30m, 24h, 7d; default: 24h
    #[argh(option)]
    expires: Option<Life>,
    /// names that rigs must have, such as "rig-*"
    #[argh(option)]
    name_pattern: Option<NamePattern>,
    /// group that rigs get as a label
    #[argh(option)]
    group: Option<LabelName>,
    /// network that rigs must dial from, such as 10.0.0.0/8
    #[argh(option)]
    from: Option<Network>,
    /// admit rigs at once (the default)
    #[argh(switch)]
    approve: bool,
    /// have rigs wait for `peer approve`
    #[argh(switch)]
    pending: bool,
    /// entries vanish 10 minutes after their link was lost: for rigs without a disk
    #[argh(switch)]
    ephemeral: bool,
    /// what to call it in `token list`
    #[argh(option, short = 'n')]
    name: Option<Name>,
    /// write the token to this new file, mode 0600, instead of printing it
    #[argh(option)]
    out: Option<String>,
    /// show the token as a QR code too; whoever sees the screen can copy it
    #[argh(switch)]
    qr: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// List all tokens; their secrets are not shown.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Suspend a token for good; rigs that came by it stay. A suspended one is deleted.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "revoke")]
struct Revoke {
    /// ID as `token list` shows it, or a unique beginning of it
    #[argh(positional)]
    id: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Token {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            TokenVerb::Create(create) => create.run(client).await,
            TokenVerb::List(list) => list.run(client).await,
            TokenVerb::Revoke(revoke) => revoke.run(client).await,
        }
    }
}

/// What the table reads of [`crate::farm::TokenView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Row {
    id: String,
    label: Option<String>,
    state: String,
    uses: u32,
    left: u32,
    expires_in_ms: u64,
    name_pattern: Option<String>,
    group: Option<String>,
    from: Option<String>,
    approve: bool,
    ephemeral: bool,
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let out = self.out.as_deref().map(NewFile::at).transpose()?;
        let body = self.body()?;
        let mut answer = client.send(Method::POST, "/tokens", Some(&body)).await?;
        let taken = answer.as_object_mut().and_then(|made| made.remove("token"));
        let Some(Value::String(token)) = taken else {
            return Err(Failure::new("the answer has no token"));
        };
        let token = Zeroizing::new(token);
        if let Some(out) = &out {
            Self::write(client, &answer, out, &token).await?;
        } else if self.json
            && let Some(made) = answer.as_object_mut()
        {
            made.insert("token".to_owned(), json!(token.as_str()));
        }
        if self.json {
            say_json(&answer);
            return Ok(());
        }
        let row: Row = answers::read(answer)?;
        match &out {
            Some(out) => say_clean(&format!("token {} is in {}", row.id, out.name())),
            None => say(token.as_str()),
        }
        // On stderr, so that a piped standard output holds the token alone.
        let mut stderr = io::stderr();
        if self.qr {
            match qr::for_stdout(&token) {
                Ok(lines) => say(lines.trim_end()),
                Err(why) => drop(writeln!(stderr, "no QR code: {why}")),
            }
        }
        let _ = writeln!(stderr, "{}", words(&row));
        Ok(())
    }

    fn body(&self) -> Result<Value, Failure> {
        if self.approve && self.pending {
            return Err(Failure::usage("give one of --approve and --pending"));
        }
        if self.qr && self.json {
            return Err(Failure::usage("give one of --qr and --json"));
        }
        let pattern = self.name_pattern.as_ref();
        Ok(show::body([
            ("uses", self.uses.map(Value::from)),
            ("expiresSecs", self.expires.map(|life| json!(life.0))),
            ("namePattern", pattern.map(|p| json!(p.as_str()))),
            ("group", self.group.as_ref().map(|g| json!(g.as_str()))),
            ("from", self.from.map(|net| json!(net.to_string()))),
            ("approve", Some(json!(!self.pending))),
            ("ephemeral", Some(json!(self.ephemeral))),
            ("label", self.name.as_ref().map(|n| json!(n.as_str()))),
        ]))
    }

    /// Writes the token; one that cannot be written is revoked, since nobody will ever see it.
    async fn write(
        client: &Client,
        answer: &Value,
        out: &NewFile,
        token: &str,
    ) -> Result<(), Failure> {
        let Err(error) = out.write(token) else {
            return Ok(());
        };
        let id = answer.get("id").and_then(Value::as_str).unwrap_or_default();
        let revoked = client
            .send(Method::DELETE, &format!("/tokens/{}", segment(id)), None)
            .await;
        let state = match revoked {
            Ok(_) => "the token was revoked",
            Err(_) => "revoke the token by `token revoke`",
        };
        Err(Failure::new(format!("{error}; {state}")))
    }
}

/// What a token admits, in one line.
fn words(row: &Row) -> String {
    let rigs = if row.uses == 1 { "rig" } else { "rigs" };
    let mut line = format!(
        "good for {} {rigs}{}, {}",
        row.uses,
        if row.ephemeral { " at a time" } else { "" },
        units::age(Some(row.expires_in_ms.saturating_add(999))),
    );
    if let Some(pattern) = &row.name_pattern {
        line += &format!(", named {pattern}");
    }
    if let Some(from) = &row.from {
        line += &format!(", from {from}");
    }
    line += if row.approve {
        ""
    } else {
        ", each after `peer approve`"
    };
    units::printable(&format!(
        "{line}. On the rig: miner node serve --controller HOST:9091 --token-file FILE"
    ))
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.get("/tokens").await?;
        show::list(
            answer,
            self.json,
            "no tokens; `token create` makes one",
            table,
        )
    }
}

fn table(rows: &[Row]) -> Table<9> {
    let mut table = Table::new([
        Column::text("Token", 0),
        Column::state("State", 0),
        Column::figure("Left", 0),
        Column::figure("Ends in", 1),
        Column::text("Admits", 2),
        Column::text("Names", 3),
        Column::text("From", 4),
        Column::text("Group", 5),
        Column::text("Name", 6),
    ]);
    for row in rows {
        let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| UNKNOWN.to_owned());
        let admits = match (row.approve, row.ephemeral) {
            (true, false) => "at once",
            (false, false) => "after approval",
            (true, true) => "at once, ephemeral",
            (false, true) => "after approval, ephemeral",
        };
        table.row([
            row.id.clone(),
            row.state.clone(),
            format!("{}/{}", row.left, row.uses),
            units::age(Some(row.expires_in_ms)),
            admits.to_owned(),
            or_unknown(&row.name_pattern),
            or_unknown(&row.from),
            or_unknown(&row.group),
            or_unknown(&row.label),
        ]);
    }
    table
}

impl Revoke {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/tokens/{}", segment(&self.id));
        let answer = client.send(Method::DELETE, &path, None).await?;
        show::deed(answer, self.json, |id| {
            format!("{id} is revoked; rigs that came by it stay")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Output;
    use super::*;

    #[test]
    fn the_list_shows_what_a_token_admits() {
        let row = Row {
            id: "0123456789abcdef".to_owned(),
            state: "active".to_owned(),
            uses: 10,
            left: 7,
            expires_in_ms: 86_000_000,
            name_pattern: Some("rig-*".to_owned()),
            approve: true,
            ..Row::default()
        };
        assert_eq!(
            table(&[row]).render(Output::PIPE),
            "\
TOKEN             STATE   LEFT  ENDS IN  ADMITS   NAMES  FROM  GROUP  NAME
0123456789abcdef  active  7/10     23 h  at once  rig-*  –     –      –
"
        );
    }
}
