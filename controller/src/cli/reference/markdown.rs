//! docs/CLI.md: all verbs on one page. Made by a test, which otherwise compares it.

use std::fmt::Write as _;

use miner_agent::cli::Exit;

use super::{Command, ENVIRONMENT, FILES, PROGRAM, both_spellings, commands, one_line};

/// The document.
pub(super) fn document() -> String {
    let mut out = format!(
        "# The command line of `{PROGRAM}`\n\n\
         Made from the program itself; `UPDATE=1 cargo nextest run -p miner-ctrl cli_reference` writes it anew, and\n\
         the same test fails while it is out of date. The same facts are in `{PROGRAM} VERB --help`, in manual pages\n\
         (`{PROGRAM} man --dir ~/.local/share/man/man1`) and in completions (`{PROGRAM} completions bash`).\n\n\
         Verbs that print data take `--json`, which prints the answer of the API as it came. Tables fit the terminal;\n\
         in a pipe nothing is cut and nothing is coloured.\n"
    );
    table(
        &mut out,
        "Exit codes",
        ("code", "meaning"),
        Exit::ALL.map(|exit| ((exit as u8).to_string(), exit.meaning().to_owned())),
    );
    let quoted = |(name, what): (&str, &str)| (format!("`{name}`"), what.to_owned());
    table(&mut out, "Files", ("file", "what"), FILES.map(quoted));
    table(
        &mut out,
        "Environment",
        ("variable", "what"),
        ENVIRONMENT.map(quoted),
    );
    for command in commands() {
        section(&mut out, &command);
    }
    out
}

fn table(
    out: &mut String,
    title: &str,
    (left, right): (&str, &str),
    rows: impl IntoIterator<Item = (String, String)>,
) {
    let _ = write!(out, "\n## {title}\n\n| {left} | {right} |\n|---|---|\n");
    for (left, right) in rows {
        let _ = writeln!(out, "| {} | {} |", cell(&left), cell(&right));
    }
}

fn section(out: &mut String, command: &Command) {
    let level = "#".repeat(command.path.len().min(2) + 2);
    let level = if command.path.is_empty() {
        "##"
    } else {
        level.as_str()
    };
    let _ = write!(out, "\n{level} {}\n\n{}\n", command.name(), command.help());
    if !command.is_leaf() {
        let verbs = command.info.commands.iter();
        let verbs: Vec<String> = verbs.map(|verb| format!("`{}`", verb.name)).collect();
        let _ = writeln!(out, "\nVerbs: {}", verbs.join(", "));
    }
    let words = command.positionals().map(|word| {
        let name = format!("`<{}>`", word.name);
        (name, one_line(word.description))
    });
    let flags = command.flags().filter(|flag| flag.long != "--help");
    let flags = flags.map(|flag| {
        let name = format!("`{}`", both_spellings(flag));
        (name, one_line(flag.description))
    });
    let rows: Vec<(String, String)> = words.chain(flags).collect();
    if command.is_leaf() {
        let usage = command.usage().join(" ");
        let _ = write!(
            out,
            "\n```text\n{}\n```\n",
            format!("{} {usage}", command.name()).trim_end()
        );
    }
    if rows.is_empty() {
        return;
    }
    out.push_str("\n| | |\n|---|---|\n");
    for (name, what) in rows {
        let _ = writeln!(out, "| {} | {} |", cell(&name), cell(&what));
    }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
