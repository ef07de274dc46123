//! `config example`: a file with every key, commented out, from the table.

use std::fmt::Write as _;

use super::{Default, Definition, Kind, Of, service};

/// The file.
pub(crate) fn example() -> String {
    let mut out = String::from(
        "# Options of the controller's service. A flag wins over this file, this file over the default.\n\
         # Names of files are seen from the folder of this one.\n",
    );
    for of in service::ALL {
        let _ = write!(out, "\n# {}\n#{} = {}\n", about(of), of.key, value(of));
    }
    out
}

/// Help, range and default of a key on one line.
fn about(of: &Definition) -> String {
    let form = of.kind.form().map(|form| format!(", {form}"));
    let default = match of.default {
        Default::Is(text) | Default::Words(text) => format!("; default: {text}"),
        Default::None => String::new(),
    };
    let only = match of.of {
        Of::Up => " (`up`)",
        _ => "",
    };
    format!("{}{}{default}{only}", of.help, form.unwrap_or_default())
}

/// A value that the key could have, as TOML writes it.
fn value(of: &Definition) -> String {
    let text = of.default_value().unwrap_or(of.example);
    match of.kind {
        Kind::Switch | Kind::Whole { .. } => text.to_owned(),
        Kind::List { .. } => format!("[\"{text}\"]"),
        Kind::OneOf(_) | Kind::Path | Kind::Text(_) => format!("\"{text}\""),
    }
}
