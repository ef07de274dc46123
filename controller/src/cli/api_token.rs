//! `api-token` and `login`: who may ask this controller, beside its owner at this machine.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Failure, say};
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
use crate::scope::Scope;
use crate::units::{self, UNKNOWN};

/// Tokens by which programs use the API.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "api-token")]
pub(super) struct ApiToken {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum Verb {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a token. It is printed once, or written to --out FILE, and never shown again.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "create")]
struct Create {
    /// what it may do: read, operate (command rigs as well) or admin (everything)
    #[argh(option)]
    scope: Scope,
    /// what to call it in `api-token list`
    #[argh(option, short = 'l')]
    label: Option<Name>,
    /// how long it is good: 12h, 90d; default: until it is revoked
    #[argh(option)]
    expires: Option<Life>,
    /// write the token to this new file, mode 0600, instead of printing it
    #[argh(option)]
    out: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// List all tokens; their secrets are not shown, and not kept.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Delete a token; its next request is refused.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "revoke")]
struct Revoke {
    /// ID as `api-token list` shows it, or a unique beginning of it
    #[argh(positional)]
    id: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl ApiToken {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            Verb::Create(create) => create.run(client).await,
            Verb::List(list) => list.run(client).await,
            Verb::Revoke(revoke) => revoke.run(client).await,
        }
    }
}

/// What the table reads of [`crate::farm::ApiTokenView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Row {
    id: String,
    label: Option<String>,
    scope: String,
    state: String,
    expires_in_ms: Option<u64>,
    last_used_age_ms: Option<u64>,
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let out = self.out.as_deref().map(NewFile::at).transpose()?;
        let body = show::body([
            ("scope", Some(json!(self.scope))),
            ("label", self.label.as_ref().map(|l| json!(l.as_str()))),
            ("expiresSecs", self.expires.map(|life| json!(life.0))),
        ]);
        let mut answer = client
            .send(Method::POST, "/api-tokens", Some(&body))
            .await?;
        let taken = answer.as_object_mut().and_then(|made| made.remove("token"));
        let Some(Value::String(token)) = taken else {
            return Err(Failure::new("the answer has no token"));
        };
        let token = Zeroizing::new(token);
        let row: Row = answers::read(answer.clone())?;
        match &out {
            None if self.json => {
                if let Some(made) = answer.as_object_mut() {
                    made.insert("token".to_owned(), json!(token.as_str()));
                }
            }
            None => say(token.as_str()),
            Some(out) => {
                if let Err(error) = out.write(&token) {
                    // Nobody will ever see it.
                    let path = format!("/api-tokens/{}", segment(&row.id));
                    client.send(Method::DELETE, &path, None).await?;
                    return Err(Failure::new(format!("{error}; the token was revoked")));
                }
                if !self.json {
                    say_clean(&format!("API token {} is in {}", row.id, out.name()));
                }
            }
        }
        if self.json {
            say_json(&answer);
        } else {
            // On stderr, so that a piped standard output holds the token alone.
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "{}", words(&row));
        }
        Ok(())
    }
}

/// What a token is good for, in one line.
fn words(row: &Row) -> String {
    let end = match row.expires_in_ms {
        Some(ms) => format!("for {}", units::age(Some(ms.saturating_add(999)))),
        None => "until it is revoked".to_owned(),
    };
    units::printable(&format!(
        "{}, good {end}. Programs send it as `Authorization: Bearer mct_…`",
        row.scope
    ))
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.get("/api-tokens").await?;
        let empty = "no API tokens; `api-token create --scope read` makes one";
        show::list(answer, self.json, empty, table)
    }
}

fn table(rows: &[Row]) -> Table<6> {
    let mut table = Table::new([
        Column::text("Token", 0),
        Column::text("Scope", 0),
        Column::text("State", 0),
        Column::figure("Ends in", 1),
        Column::figure("Last used", 1),
        Column::text("Name", 2),
    ]);
    for row in rows {
        table.row([
            row.id.clone(),
            row.scope.clone(),
            row.state.clone(),
            units::age(row.expires_in_ms),
            units::age(row.last_used_age_ms),
            row.label.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
        ]);
    }
    table
}

impl Revoke {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/api-tokens/{}", segment(&self.id));
        let answer = client.send(Method::DELETE, &path, None).await?;
        show::deed(answer, self.json, |id| format!("{id} is revoked"))
    }
}

/// Print where a browser may log in, once and within 15 minutes.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "login")]
pub(super) struct Login {
    /// what the browser may do: read, operate or admin; default: admin
    #[argh(option)]
    scope: Option<Scope>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Login {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Made {
            url: String,
        }
        if !client.is_served() {
            return Err(Failure::new(
                "no controller runs here, so there is no page; start it with `miner-ctrl up` or \
                 `miner-ctrl node serve`",
            ));
        }
        let body = show::body([("scope", self.scope.map(|scope| json!(scope)))]);
        let answer = client.send(Method::POST, "/logins", Some(&body)).await?;
        if let Some(Made { url }) = show::for_a_person(answer, self.json)? {
            say_clean(&url);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Output;
    use super::*;

    #[test]
    fn the_list_shows_who_may_do_what_and_when_it_was_last_used() {
        let row = Row {
            id: "0123456789abcdef".to_owned(),
            scope: "read".to_owned(),
            state: "active".to_owned(),
            label: Some("grafana".to_owned()),
            last_used_age_ms: Some(61_000),
            ..Row::default()
        };
        assert_eq!(
            table(&[row]).render(Output::PIPE),
            "\
TOKEN             SCOPE  STATE   ENDS IN  LAST USED  NAME
0123456789abcdef  read   active        –      1 min  grafana
"
        );
    }
}
