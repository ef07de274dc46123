//! `config`: the file with the options of the service. No controller is asked.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};
use miner_agent::store::Dirs;
use serde_json::json;

use super::show::{rows_or, say_clean, say_json};
use super::table::{Column, Table};
use crate::options::{ConfigFile, Layer, Origin, Place, Settings, example, service};
use crate::units::UNKNOWN;

/// The configuration file of `up` and `node serve`.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "config")]
pub(super) struct Config {
    #[argh(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum ConfigVerb {
    Check(Check),
    Show(Show),
    Path(Path),
    Example(Example),
}

/// Say everything that is wrong with the file; exit code 1 if anything is.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "check")]
struct Check {
    /// another file than the default one
    #[argh(option)]
    config: Option<PathBuf>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show every option with its value, and whether that is the file's or the default.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "show")]
struct Show {
    /// another file than the default one
    #[argh(option)]
    config: Option<PathBuf>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Print where the file is looked for.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "path")]
struct Path {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Print a file with every option in it, commented out.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "example")]
struct Example {}

impl Config {
    pub(super) fn run(self) -> Result<(), Failure> {
        let dirs = Dirs::from_env()?;
        match self.verb {
            ConfigVerb::Check(check) => check.run(&dirs),
            ConfigVerb::Show(show) => show.run(&dirs),
            ConfigVerb::Path(path) => path.run(&dirs),
            ConfigVerb::Example(Example {}) => {
                say(example().trim_end());
                Ok(())
            }
        }
    }
}

impl Check {
    fn run(self, dirs: &Dirs) -> Result<(), Failure> {
        let file = ConfigFile::open(self.config.as_deref(), dirs)?;
        let problems = file.problems();
        if self.json {
            let problems = problems.iter();
            let problems = problems.map(|p| json!({ "line": p.line, "problem": p.what }));
            say_json(&json!({
                "path": file.path(),
                "exists": file.exists(),
                "problems": problems.collect::<Vec<_>>(),
            }));
        } else {
            for problem in problems {
                let place = Place(file.path(), problem.line);
                say_clean(&format!("{place}: {}", problem.what));
            }
        }
        let path = file.path().display();
        match (problems.len(), file.exists()) {
            (0, _) if self.json => Ok(()),
            (0, true) => {
                say_clean(&format!("{path} is in order"));
                Ok(())
            }
            (0, false) => {
                say_clean(&format!("there is no {path}; the defaults hold"));
                Ok(())
            }
            (1, _) => Err(Failure::new(format!("{path}: one problem"))),
            (n, _) => Err(Failure::new(format!("{path}: {n} problems"))),
        }
    }
}

impl Show {
    fn run(self, dirs: &Dirs) -> Result<(), Failure> {
        let file = ConfigFile::open(self.config.as_deref(), dirs)?;
        let path = file.path().display().to_string();
        let settings = Settings::of(Layer::default(), file.layer()?)?;
        let rows: Vec<Row> = service::ALL
            .iter()
            .map(|of| Row {
                key: of.key,
                value: settings.texts(of).join(", "),
                origin: settings.origin(of),
            })
            .collect();
        if self.json {
            say_json(&rows.iter().map(|row| row.json(&path)).collect());
            return Ok(());
        }
        rows_or(&rows, "", |rows| table(rows, &path));
        Ok(())
    }
}

/// An option and what holds. Secrets are never values, only names of files.
struct Row {
    key: &'static str,
    value: String,
    origin: Origin,
}

impl Row {
    fn json(&self, path: &str) -> serde_json::Value {
        let value = (!self.value.is_empty()).then_some(self.value.as_str());
        match self.origin {
            Origin::File(line) => {
                json!({ "key": self.key, "value": value, "from": "file", "file": path, "line": line })
            }
            _ => json!({ "key": self.key, "value": value, "from": "default" }),
        }
    }
}

fn table(rows: &[Row], path: &str) -> Table<3> {
    let mut table = Table::new([
        Column::text("Key", 0),
        Column::text("Value", 0),
        Column::text("From", 1),
    ]);
    for row in rows {
        let value = if row.value.is_empty() {
            UNKNOWN
        } else {
            &row.value
        };
        let from = match row.origin {
            Origin::File(line) => format!("{path}:{line}"),
            _ => "default".to_owned(),
        };
        table.row([row.key.to_owned(), value.to_owned(), from]);
    }
    table
}

impl Path {
    fn run(self, dirs: &Dirs) -> Result<(), Failure> {
        let path = crate::options::default_path(dirs);
        if self.json {
            say_json(&json!({ "path": path, "exists": path.exists() }));
        } else {
            say_clean(&path.display().to_string());
        }
        Ok(())
    }
}
