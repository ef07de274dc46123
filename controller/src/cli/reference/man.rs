//! Manual pages, in roff with the macros of man(7): one of the program, and one of each verb with the
//! verbs below it.

use argh::{FlagInfo, PositionalInfo};
use miner_agent::cli::Exit;

use super::{Command, ENVIRONMENT, FILES, PROGRAM, both_spellings, commands, one_line};

/// A page.
pub(super) struct Page {
    /// The verb; `None` is the program.
    pub(super) verb: Option<&'static str>,
    pub(super) text: String,
}

impl Page {
    /// `miner-ctrl-peer.1`.
    pub(super) fn file_name(&self) -> String {
        format!("{}.1", page_name(self.verb))
    }
}

fn page_name(verb: Option<&str>) -> String {
    verb.map_or_else(|| PROGRAM.to_owned(), |verb| format!("{PROGRAM}-{verb}"))
}

/// All pages, the program's first.
pub(super) fn pages() -> Vec<Page> {
    let all = commands();
    let verbs: Vec<&Command> = all.iter().filter(|verb| verb.path.len() == 1).collect();
    let program = all.iter().filter(|command| command.path.is_empty());
    let program = program.map(|program| Page {
        verb: None,
        text: program_page(program, &verbs),
    });
    let verbs = verbs.iter().filter_map(|verb| {
        let name = *verb.path.first()?;
        let below = all
            .iter()
            .filter(|other| other.path.len() > 1 && other.path.first() == Some(&name));
        Some(Page {
            verb: Some(name),
            text: verb_page(verb, name, &below.collect::<Vec<_>>()),
        })
    });
    program.chain(verbs).collect()
}

fn program_page(program: &Command, verbs: &[&Command]) -> String {
    let mut page = Roff::new(&page_name(None), &program.help());
    page.section("SYNOPSIS");
    page.bold_then(PROGRAM, &program.usage().join(" "));
    page.section("DESCRIPTION");
    page.text(&program.help());
    page.text("Each verb has a page of its own and says more by --help.");
    page.section("VERBS");
    for verb in verbs {
        page.item(verb.path.first().copied().unwrap_or_default(), &verb.help());
    }
    page.section("OPTIONS");
    page.flags(program.flags());
    page.ends();
    page.section("SEE ALSO");
    let names = verbs.iter().filter_map(|verb| verb.path.first());
    page.pages(names.map(|name| page_name(Some(name))));
    page.out
}

fn verb_page(verb: &Command, name: &'static str, below: &[&Command]) -> String {
    let mut page = Roff::new(&page_name(Some(name)), &verb.help());
    let leaves: Vec<&Command> = below
        .iter()
        .copied()
        .filter(|command| command.is_leaf())
        .collect();
    page.section("SYNOPSIS");
    if verb.is_leaf() {
        page.bold_then(&verb.name(), &verb.usage().join(" "));
    }
    for command in &leaves {
        page.bold_then(&command.name(), &command.usage().join(" "));
        page.request("br");
    }
    page.section("DESCRIPTION");
    page.text(&verb.help());
    if verb.is_leaf() {
        page.section("OPTIONS");
        page.words(verb.positionals());
        page.flags(verb.flags());
    } else {
        page.section("VERBS");
    }
    for command in &leaves {
        page.subsection(command.path.get(1..).unwrap_or_default().join(" ").as_str());
        page.text(&command.help());
        page.words(command.positionals());
        page.flags(command.flags().filter(|flag| flag.long != "--help"));
    }
    page.ends();
    page.section("SEE ALSO");
    page.pages([page_name(None)].into_iter());
    page.out
}

/// A page while it is written. All text goes through [`escape`].
struct Roff {
    out: String,
}

impl Roff {
    fn new(name: &str, help: &str) -> Self {
        let mut page = Self { out: String::new() };
        page.request(&format!(
            "TH {} 1 \"\" \"{PROGRAM} {}\" \"User Commands\"",
            escape(&name.to_uppercase()),
            env!("CARGO_PKG_VERSION"),
        ));
        // Ragged and without hyphens: flags stay whole.
        page.request("ad l");
        page.request("nh");
        page.section("NAME");
        // What whatis(1) shows: up to the first full stop.
        let brief = help.split(". ").next().unwrap_or(help);
        page.line(&format!(
            "{} \\- {}",
            escape(name),
            escape(brief.trim_end_matches('.'))
        ));
        page
    }

    fn line(&mut self, line: &str) {
        self.out += line;
        self.out.push('\n');
    }

    /// A request or macro, with its arguments.
    fn request(&mut self, words: &str) {
        self.line(&format!(".{words}"));
    }

    fn section(&mut self, head: &str) {
        self.request(&format!("SH {}", escape(head)));
    }

    fn subsection(&mut self, head: &str) {
        self.request(&format!("SS {}", escape(head)));
    }

    /// A paragraph.
    fn text(&mut self, text: &str) {
        self.request("PP");
        self.line(&escape(text));
    }

    /// A command line: what is typed as it is, and the rest.
    fn bold_then(&mut self, bold: &str, rest: &str) {
        self.line(format!("\\fB{}\\fR {}", escape(bold), escape(rest)).trim_end());
    }

    /// A term, and what it means, indented.
    fn item(&mut self, term: &str, meaning: &str) {
        self.request("TP");
        self.line(&format!("\\fB{}\\fR", escape(term)));
        self.line(&escape(meaning));
    }

    fn flags(&mut self, flags: impl Iterator<Item = &'static FlagInfo<'static>>) {
        for flag in flags {
            self.item(&both_spellings(flag), &one_line(flag.description));
        }
    }

    fn words(&mut self, words: impl Iterator<Item = &'static PositionalInfo<'static>>) {
        for word in words {
            self.item(&format!("<{}>", word.name), &one_line(word.description));
        }
    }

    /// What stands at the end of every page.
    fn ends(&mut self) {
        self.section("EXIT STATUS");
        for exit in Exit::ALL {
            self.item(&(exit as u8).to_string(), exit.meaning());
        }
        self.section("FILES");
        for (file, what) in FILES {
            self.item(file, what);
        }
        self.section("ENVIRONMENT");
        for (variable, what) in ENVIRONMENT {
            self.item(variable, what);
        }
    }

    /// References to other pages.
    fn pages(&mut self, names: impl Iterator<Item = String>) {
        let names: Vec<String> = names
            .map(|name| format!("\\fB{}\\fR(1)", escape(&name)))
            .collect();
        self.line(&names.join(", "));
    }
}

/// Text as roff takes it: no character is an escape, no line a request, and a dash is one that can be
/// copied into a shell.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.starts_with(['.', '\'']) {
        out += "\\&";
    }
    for c in text.chars() {
        match c {
            '\\' => out += "\\e",
            '-' => out += "\\-",
            // Typographic quotes otherwise, which a shell does not know.
            '\'' => out += "\\(aq",
            '`' => out += "\\(ga",
            '^' => out += "\\(ha",
            '~' => out += "\\(ti",
            '"' => out += "\\(dq",
            c => out.push(c),
        }
    }
    out
}
