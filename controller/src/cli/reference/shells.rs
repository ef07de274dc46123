//! Completion scripts. Each walks the words typed so far down the tree of verbs, then offers the verbs
//! and flags of where it got to, or what the flag before the cursor takes.
//!
//! ```text
//!   words   miner-ctrl  peer   add    --address x  --pair-file <TAB>
//!   place   ""          /peer  /peer/add                       files
//! ```
//! The scripts need no library of the shell's own completions, and start no program.

use std::fmt::Write as _;

use argh::{FlagInfo, FlagInfoKind};

use super::{Command, PROGRAM, Takes, commands, one_line};

/// Shells with a script.
pub(super) const NAMES: [&str; 3] = ["bash", "zsh", "fish"];

/// The script of a shell, if there is one.
pub(super) fn script(shell: &str) -> Option<String> {
    let all = commands();
    match shell {
        "bash" => Some(bash(&all)),
        "zsh" => Some(zsh(&all)),
        "fish" => Some(fish(&all)),
        _ => None,
    }
}

impl Command {
    /// Where it is in the tree: nothing, `/peer`, `/peer/add`.
    fn place(&self) -> String {
        self.path.iter().map(|word| format!("/{word}")).collect()
    }

    fn verbs(&self) -> impl Iterator<Item = (&'static str, String)> {
        let verbs = self.info.commands.iter();
        verbs.map(|verb| (verb.name, one_line(verb.command.description)))
    }
}

/// All places but the root, as a pattern of `case`.
fn places(all: &[Command], between: &str) -> String {
    let places = all.iter().filter(|command| !command.path.is_empty());
    places.map(Command::place).collect::<Vec<_>>().join(between)
}

/// The flag as it may be typed: `--name`, `-n`.
fn spellings(flag: &FlagInfo<'_>) -> impl Iterator<Item = String> {
    let short = flag.short.map(|short| format!("-{short}"));
    [flag.long.to_owned()].into_iter().chain(short)
}

fn bash(all: &[Command]) -> String {
    let mut out = format!(
        "# Completion of {PROGRAM} for bash: source this file, or save it as\n\
         # ~/.local/share/bash-completion/completions/{PROGRAM}\n\
         _miner_ctrl() {{\n\
         \x20   local at= word words= cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}\n\
         \x20   for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n\
         \x20       case $at/$word in\n\
         \x20           {}) at=$at/$word ;;\n\
         \x20       esac\n\
         \x20   done\n\
         \x20   case $at in\n",
        places(all, "|")
    );
    for command in all {
        let _ = writeln!(out, "        {})", bash_pattern(command));
        // The flag before the cursor takes a value: only that is offered.
        let _ = writeln!(out, "            case $prev in");
        for flag in command.flags() {
            let spellings = spellings(flag).collect::<Vec<_>>().join("|");
            let offer = match Takes::of(flag) {
                Takes::Nothing => continue,
                Takes::Text => "return".to_owned(),
                Takes::File => {
                    "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return"
                        .to_owned()
                }
                Takes::Words(words) => format!(
                    "mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$cur\"); return",
                    words.join(" ")
                ),
            };
            let _ = writeln!(out, "                {spellings}) {offer} ;;");
        }
        let verbs = command.verbs().map(|(name, _)| name.to_owned());
        let flags = command.flags().flat_map(spellings);
        let words: Vec<String> = verbs.chain(flags).chain(choices(command)).collect();
        let _ = writeln!(
            out,
            "            esac\n            words='{}' ;;",
            words.join(" ")
        );
    }
    out += "    esac\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n";
    let _ = writeln!(out, "complete -F _miner_ctrl {PROGRAM}");
    out
}

fn bash_pattern(command: &Command) -> String {
    match command.place() {
        place if place.is_empty() => "''".to_owned(),
        place => place,
    }
}

/// Words that the command's positionals may be.
fn choices(command: &Command) -> impl Iterator<Item = String> {
    let takes = command.positionals().map(|word| Takes::named(word.name));
    let words = takes.flat_map(|takes| match takes {
        Takes::Words(words) => words,
        _ => &[],
    });
    words.map(|&word| word.to_owned())
}

fn zsh(all: &[Command]) -> String {
    let mut out = format!(
        "#compdef {PROGRAM}\n\
         # Completion of {PROGRAM} for zsh: save it as _{PROGRAM} in a folder of $fpath.\n\
         _miner_ctrl() {{\n\
         \x20   local at= word depth=0\n\
         \x20   for word in \"${{(@)words[2,CURRENT-1]}}\"; do\n\
         \x20       case $at/$word in\n\
         \x20           ({}) at=$at/$word; (( ++depth )) ;;\n\
         \x20       esac\n\
         \x20   done\n\
         \x20   shift $depth words\n\
         \x20   (( CURRENT -= depth ))\n\
         \x20   case $at in\n",
        places(all, "|")
    );
    for command in all {
        let _ = writeln!(out, "        ({})", bash_pattern(command));
        if !command.is_leaf() {
            let _ = writeln!(out, "            local -a verbs=(");
            for (name, help) in command.verbs() {
                let entry = format!("{name}:{}", help.replace(':', "\\:"));
                let _ = writeln!(out, "                {}", quoted(&entry));
            }
            let _ = writeln!(
                out,
                "            )\n            if (( CURRENT == 2 )); then _describe -t verbs verb verbs; fi"
            );
        }
        out += "            _arguments -S";
        for flag in command.flags() {
            let _ = write!(out, " \\\n                {}", zsh_flag(flag));
        }
        for word in command.positionals() {
            let rest = match Takes::named(word.name) {
                Takes::File => format!("*:{}:_files", word.name),
                Takes::Words(words) => format!("*:{}:({})", word.name, words.join(" ")),
                _ => format!("*:{}: ", word.name),
            };
            let _ = write!(out, " \\\n                {}", quoted(&rest));
        }
        out += " ;;\n";
    }
    out += "    esac\n}\n";
    // Sourced or autoloaded: in the second case the file is the function's body.
    out += "if [ \"$funcstack[1]\" = \"_miner-ctrl\" ]; then _miner_ctrl \"$@\"; else compdef _miner_ctrl miner-ctrl; fi\n";
    out
}

fn zsh_flag(flag: &FlagInfo<'_>) -> String {
    let help = one_line(flag.description)
        .replace('\\', "\\\\")
        .replace('[', "\\[")
        .replace(']', "\\]");
    let value = match (&flag.kind, Takes::of(flag)) {
        (FlagInfoKind::Option { arg_name }, Takes::File) => format!(":{arg_name}:_files"),
        (FlagInfoKind::Option { arg_name }, Takes::Words(words)) => {
            format!(":{arg_name}:({})", words.join(" "))
        }
        (FlagInfoKind::Option { arg_name }, _) => format!(":{arg_name}: "),
        (FlagInfoKind::Switch, _) => String::new(),
    };
    let specs = spellings(flag).map(|spelling| quoted(&format!("*{spelling}[{help}]{value}")));
    specs.collect::<Vec<_>>().join(" ")
}

fn fish(all: &[Command]) -> String {
    let mut out = format!(
        "# Completion of {PROGRAM} for fish: save it as\n\
         # ~/.config/fish/completions/{PROGRAM}.fish\n\
         function __miner_ctrl_at\n\
         \x20   set -l at ''\n\
         \x20   for word in (commandline -opc)[2..]\n\
         \x20       switch \"$at/$word\"\n\
         \x20           case {}\n\
         \x20               set at \"$at/$word\"\n\
         \x20       end\n\
         \x20   end\n\
         \x20   test \"$at\" = \"$argv[1]\"\n\
         end\n\
         complete -c {PROGRAM} -f\n",
        places(all, " ")
    );
    for command in all {
        let line = format!(
            "complete -c {PROGRAM} -n '__miner_ctrl_at \"{}\"'",
            command.place()
        );
        for (name, help) in command.verbs() {
            let _ = writeln!(out, "{line} -a {name} -d {}", quoted(&help));
        }
        for flag in command.flags() {
            let _ = write!(out, "{line} -l {}", flag.long.trim_start_matches('-'));
            if let Some(short) = flag.short {
                let _ = write!(out, " -s {short}");
            }
            match Takes::of(flag) {
                Takes::Nothing => {}
                Takes::Text => out += " -x",
                Takes::File => out += " -r -F",
                Takes::Words(words) => {
                    let _ = write!(out, " -x -a {}", quoted(&words.join(" ")));
                }
            }
            let _ = writeln!(out, " -d {}", quoted(&one_line(flag.description)));
        }
        for word in command.positionals() {
            match Takes::named(word.name) {
                Takes::File => {
                    let _ = writeln!(out, "{line} -F");
                }
                Takes::Words(words) => {
                    let _ = writeln!(out, "{line} -a {}", quoted(&words.join(" ")));
                }
                _ => {}
            }
        }
    }
    out
}

/// Text in single quotes, without any that would end them.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "’"))
}
