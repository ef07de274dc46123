//! The tables as data: for `GET /options`, by which a form is built, and for documents.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Default, Definition, Kind, Of, profile, service};

/// An option, as programs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptionView {
    /// `service` or `profile`.
    pub of: &'static str,
    /// Key in the configuration file, or field of a profile's body.
    pub key: &'static str,
    /// Flag on the command line.
    pub flag: Option<String>,
    /// `boolean`, `integer`, `string` or `array` (of strings).
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Least value of a number.
    pub minimum: Option<u64>,
    /// Greatest value of a number.
    pub maximum: Option<u64>,
    /// Most items of an array.
    pub max_items: Option<usize>,
    /// The words that it may be.
    pub choices: Option<&'static [&'static str]>,
    /// What a text looks like, such as `HOST:PORT`.
    pub form: Option<&'static str>,
    /// What holds if nothing is said; null where nothing does, or where the machine decides.
    pub default: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
    /// First version that knows it.
    pub since: &'static str,
    /// Whether the value names a file with a secret, or is one.
    pub secret: bool,
    /// Whether a change takes hold at the next start only.
    pub restart: bool,
}

/// All options: the service's, then those of profiles.
pub fn describe() -> Vec<OptionView> {
    let all = service::ALL.iter().chain(profile::ALL);
    all.copied().map(OptionView::of).collect()
}

impl OptionView {
    fn of(of: &'static Definition) -> Self {
        let (minimum, maximum) = match of.kind {
            Kind::Whole { min, max } => (Some(min), Some(max)),
            _ => (None, None),
        };
        let form = match of.kind {
            Kind::Text(form) | Kind::List { form, .. } => form.shown,
            Kind::Path => "FILE",
            _ => "",
        };
        Self {
            of: if of.of == Of::Profile {
                "profile"
            } else {
                "service"
            },
            key: of.key,
            flag: of.flag(),
            kind: of.kind.type_name(),
            minimum,
            maximum,
            max_items: match of.kind {
                Kind::List { max, .. } => Some(max),
                _ => None,
            },
            choices: match of.kind {
                Kind::OneOf(words) => Some(words),
                _ => None,
            },
            form: (!form.is_empty()).then_some(form),
            default: match of.default {
                Default::Words(_) => None,
                _ => of.default_value(),
            },
            help: of.help,
            since: of.since,
            secret: of.secret,
            restart: of.restart,
        }
    }
}
